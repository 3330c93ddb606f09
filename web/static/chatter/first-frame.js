/** @import { Clock } from "./clock.js" */

const POLL_MS = 50;

/**
 * How much of a track has been decoded, by stream: frames of video, samples of audio.
 *
 * @param {RTCStatsReport} report
 * @returns {Map<number, number>} by SSRC
 */
export function decoded(report) {
  const counts = new Map();
  report.forEach((entry) => {
    if (entry.type !== "inbound-rtp") return;
    const count = entry.kind === "video" ? entry.framesDecoded : entry.packetsReceived;
    counts.set(entry.ssrc, count ?? 0);
  });
  return counts;
}

/**
 * Waits until something of what a receiver has now been given is decoded. What it decoded before does not count: an
 * m-line is used for one track after another.
 *
 * @param {RTCRtpReceiver} receiver
 * @param {Clock} clock
 * @param {AbortSignal} signal ends the wait; the promise then stays open
 * @returns {Promise<void>}
 */
export async function firstFrame(receiver, clock, signal) {
  const before = decoded(await receiver.getStats());
  while (!signal.aborted) {
    await new Promise((resolve) => clock.setTimeout(() => resolve(undefined), POLL_MS));
    const now = decoded(await receiver.getStats());
    if ([...now].some(([ssrc, count]) => count > (before.get(ssrc) ?? 0))) return;
  }
  await new Promise(() => {});
}
