/** @import { Mode, Source } from "./messages.js" */

/**
 * @typedef {object} TrackStats
 * @property {string} clientId
 * @property {Source} source
 * @property {Mode} path
 * @property {number} packetsReceived
 * @property {number} packetsLost
 * @property {number} jitterBufferDelay seconds, summed over what was emitted
 * @property {number} framesDecoded video
 * @property {number} framesPerSecond video
 * @property {number} width video, pixels
 * @property {number} height video, pixels
 * @property {number} freezeCount video
 * @property {number} totalFreezesDuration video, seconds
 * @property {number} totalAudioEnergy audio
 * @property {number} audioLevel audio, 0 to 1
 */

/**
 * The figures of what is received now. A receiver that changed tracks may still report the stream before; the one that
 * got its last packet latest counts.
 *
 * @param {RTCStatsReport} report
 * @returns {Omit<TrackStats, "clientId" | "source" | "path">}
 */
export function received(report) {
  /** @type {any} */
  let latest = {};
  report.forEach((entry) => {
    if (entry.type !== "inbound-rtp") return;
    if ((entry.lastPacketReceivedTimestamp ?? 0) >= (latest.lastPacketReceivedTimestamp ?? 0)) latest = entry;
  });
  return {
    packetsReceived: latest.packetsReceived ?? 0,
    packetsLost: latest.packetsLost ?? 0,
    jitterBufferDelay: latest.jitterBufferDelay ?? 0,
    framesDecoded: latest.framesDecoded ?? 0,
    framesPerSecond: latest.framesPerSecond ?? 0,
    width: latest.frameWidth ?? 0,
    height: latest.frameHeight ?? 0,
    freezeCount: latest.freezeCount ?? 0,
    totalFreezesDuration: latest.totalFreezesDuration ?? 0,
    totalAudioEnergy: latest.totalAudioEnergy ?? 0,
    audioLevel: latest.audioLevel ?? 0,
  };
}
