/**
 * The codecs to offer for a track whose codecs are known, with what repairs them. A full list makes an m-line of
 * 5 kB, and a room of twenty an offer over the size that the server reads.
 *
 * @param {readonly RTCRtpCodec[]} codecs all that can be received
 * @param {readonly string[]} names what the track is sent in, e.g. `VP8`
 * @returns {RTCRtpCodec[]} empty: do not choose
 */
export function receivable(codecs, names) {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  /** @param {RTCRtpCodec} codec */
  const nameOf = (codec) => codec.mimeType.split("/")[1]?.toLowerCase() ?? "";
  const chosen = codecs.filter((codec) => wanted.has(nameOf(codec)));
  if (chosen.length === 0) return [];
  return [...chosen, ...codecs.filter((codec) => nameOf(codec) === "rtx")];
}
