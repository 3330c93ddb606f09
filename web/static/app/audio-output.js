/** Plays the sound of everybody, each track in an element of its own. */
export class AudioOutput {
  /** @type {Map<string, HTMLAudioElement>} */
  #elements = new Map();
  #sinkId;
  #onBlocked;

  /**
   * @param {object} options
   * @param {string} options.sinkId the chosen speaker; empty: the system's
   * @param {(blocked: boolean) => void} options.onBlocked the browser wants a click before it plays sound
   */
  constructor({ sinkId, onBlocked }) {
    this.#sinkId = sinkId;
    this.#onBlocked = onBlocked;
  }

  /**
   * @param {string} trackId
   * @param {MediaStreamTrack | null} track
   */
  set(trackId, track) {
    const before = this.#elements.get(trackId);
    if (!track) {
      if (before) before.srcObject = null;
      this.#elements.delete(trackId);
      return;
    }
    const player = before ?? new Audio();
    player.srcObject = new MediaStream([track]);
    this.#elements.set(trackId, player);
    if (!before && this.#sinkId) direct(player, this.#sinkId);
    void this.#play(player);
  }

  /** @param {string} sinkId */
  setSink(sinkId) {
    this.#sinkId = sinkId;
    for (const player of this.#elements.values()) direct(player, sinkId);
  }

  /** Plays what the browser has held back; call it from a click. */
  async resume() {
    this.#onBlocked(false);
    await Promise.all([...this.#elements.values()].map((player) => this.#play(player)));
  }

  close() {
    for (const trackId of [...this.#elements.keys()]) this.set(trackId, null);
  }

  /** @param {HTMLAudioElement} player */
  async #play(player) {
    try {
      await player.play();
    } catch (error) {
      // AbortError: another track took its place meanwhile.
      if (error instanceof Error && error.name === "NotAllowedError") this.#onBlocked(true);
    }
  }
}

/**
 * @param {HTMLAudioElement} player
 * @param {string} sinkId
 */
function direct(player, sinkId) {
  if (!("setSinkId" in player)) return;
  // The speaker may be gone since; the system's one plays then.
  player.setSinkId(sinkId).catch(() => player.setSinkId(""));
}
