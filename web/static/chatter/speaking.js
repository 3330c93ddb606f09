// Of full scale. Speech into a laptop's microphone is at 0.02 to 0.2, a quiet room below 0.005.
const LOUD = 0.02;
const QUIET = 0.01;
// Longer than the pause between two words.
const HOLD_MS = 600;

/**
 * @typedef {{speaking: boolean, heardAt: number}} Speech
 */

/** @type {Speech} */
export const silent = Object.freeze({ speaking: false, heardAt: -Infinity });

/**
 * Whether somebody speaks, with hysteresis: it takes more to begin than to go on, and a pause for breath ends nothing.
 *
 * @param {Speech} speech
 * @param {number} level 0 to 1
 * @param {number} now milliseconds
 * @returns {Speech}
 */
export function listen(speech, level, now) {
  const heard = level >= (speech.speaking ? QUIET : LOUD);
  if (heard) return { speaking: true, heardAt: now };
  if (speech.speaking && now - speech.heardAt >= HOLD_MS) return { ...speech, speaking: false };
  return speech;
}

/**
 * The level of what a receiver plays, without a call into the media engine.
 *
 * @param {Pick<RTCRtpReceiver, "getSynchronizationSources">} receiver
 * @returns {number} 0 to 1
 */
export function levelOf(receiver) {
  return Math.max(0, ...receiver.getSynchronizationSources().map(({ audioLevel }) => audioLevel ?? 0));
}

/** Who speaks, from levels taken every so often. */
export class Speakers {
  /** @type {Map<string, Speech>} */
  #speech = new Map();

  /**
   * @param {ReadonlyMap<string, number>} levels by client id; who is not in it is silent and forgotten
   * @param {number} now milliseconds
   * @returns {Set<string>} the client ids of those who speak
   */
  update(levels, now) {
    const next = new Map();
    for (const [clientId, level] of levels)
      next.set(clientId, listen(this.#speech.get(clientId) ?? silent, level, now));
    this.#speech = next;
    return new Set([...next].filter(([, { speaking }]) => speaking).map(([clientId]) => clientId));
  }
}
