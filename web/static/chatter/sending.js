/** @import { Source } from "./messages.js" */

// Good 720p in VP8; more is not seen, but is felt on a home uplink.
const CAMERA_BITS_PER_SECOND = 1_500_000;
// Text at 1080p that scrolls needs more than a face does.
const SCREEN_BITS_PER_SECOND = 2_500_000;
// Frames that can be left out without harm to the others: who has a thin link gets fewer of them.
const TEMPORAL_LAYERS = "L1T3";

/**
 * The encodings of a camera for the media server, the smallest first: for tiles of the size of a stamp, of a quarter of
 * the window and of all of it. A small picture is not made smaller.
 *
 * @type {readonly {leastSide: number, encodings: readonly RTCRtpEncodingParameters[]}[]}
 */
const CAMERA_ENCODINGS = [
  {
    leastSide: 540,
    encodings: [
      { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
      { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
      { rid: "f", scaleResolutionDownBy: 1, maxBitrate: CAMERA_BITS_PER_SECOND },
    ],
  },
  {
    leastSide: 300,
    encodings: [
      { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 200_000 },
      { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 700_000 },
    ],
  },
];

/**
 * The encodings of a new sender to a participant.
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
 * The encodings of a new sender to the media server, which gives everybody the one that fits: several sizes of a
 * camera, and a screen in its full size, whose frame rate can be lowered.
 *
 * @param {Source} source
 * @param {MediaStreamTrack} track
 * @returns {RTCRtpEncodingParameters[]}
 */
export function layeredEncodings(source, track) {
  const { width = 0, height = 0 } = track.getSettings?.() ?? {};
  const sizes = CAMERA_ENCODINGS.find(({ leastSide }) => Math.min(width, height) >= leastSide);
  const encodings = source === "camera" && sizes ? sizes.encodings : sendEncodings(source);
  return encodings.map((encoding) => ({ ...encoding, scalabilityMode: TEMPORAL_LAYERS }));
}

/**
 * @param {RTCPeerConnection} pc
 * @param {Source} source
 * @param {MediaStreamTrack} track
 * @returns {RTCRtpTransceiver}
 */
export function addSender(pc, source, track) {
  const encodings = layeredEncodings(source, track);
  try {
    return pc.addTransceiver(track, { direction: "sendonly", sendEncodings: encodings });
  } catch {
    // This browser knows no temporal layers.
    for (const encoding of encodings) Reflect.deleteProperty(encoding, "scalabilityMode");
    return pc.addTransceiver(track, { direction: "sendonly", sendEncodings: encodings });
  }
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
 * Says what to give up first when the uplink is thin, and which encodings are to be sent. Browsers that do not know the
 * preference keep their own.
 *
 * @param {Source} source
 * @param {RTCRtpSender} sender
 * @param {ReadonlyMap<string, boolean>} [active] by rid, empty for one without; those not named are sent
 * @returns {Promise<boolean>} whether the browser took it
 */
export async function prefer(source, sender, active = new Map()) {
  if (source !== "camera" && source !== "screen") return false;
  const parameters = sender.getParameters();
  parameters.degradationPreference = source === "screen" ? "maintain-resolution" : "balanced";
  for (const encoding of parameters.encodings ?? []) encoding.active = active.get(encoding.rid ?? "") ?? true;
  try {
    await sender.setParameters(parameters);
    return true;
  } catch {
    return false;
  }
}
