/** @import { Source } from "./messages.js" */

// Good 720p in VP8; more is not seen, but is felt on a home uplink.
const CAMERA_BITS_PER_SECOND = 1_500_000;
// Text at 1080p that scrolls needs more than a face does.
const SCREEN_BITS_PER_SECOND = 2_500_000;

/**
 * The encodings of a new sender.
 *
 * @param {Source} source
 * @returns {RTCRtpEncodingParameters[]}
 */
export function sendEncodings(source) {
  if (source === "camera") return [{ maxBitrate: CAMERA_BITS_PER_SECOND }];
  if (source === "screen") return [{ maxBitrate: SCREEN_BITS_PER_SECOND }];
  return [];
}

/**
 * Tells the encoder what matters: the letters of a screen, the motion of a face.
 *
 * @param {Source} source
 * @param {MediaStreamTrack} track
 */
export function hint(source, track) {
  if (source === "screen" && "contentHint" in track) track.contentHint = "detail";
}

/**
 * Says what to give up first when the uplink is thin. Browsers that do not know the preference keep their own.
 *
 * @param {Source} source
 * @param {RTCRtpSender} sender
 * @returns {Promise<boolean>} whether the browser took it
 */
export async function prefer(source, sender) {
  if (source !== "camera" && source !== "screen") return false;
  const parameters = sender.getParameters();
  parameters.degradationPreference = source === "screen" ? "maintain-resolution" : "balanced";
  try {
    await sender.setParameters(parameters);
    return true;
  } catch {
    return false;
  }
}
