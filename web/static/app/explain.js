/** @import { ConsumerFigures, Quality, Subscription } from "../chatter/messages.js" */
/** @import { TrackStats } from "../chatter/stats.js" */

/**
 * Why a track looks or sounds the way it does here, in a sentence.
 *
 * @param {object} facts
 * @param {string} facts.name the publisher's
 * @param {boolean} facts.muted
 * @param {TrackStats | undefined} facts.received what this browser gets
 * @param {ConsumerFigures | undefined} facts.consumer what the server says that it sends
 * @param {Subscription | undefined} facts.subscription which layer that is
 * @returns {string}
 */
export function explain({ name, muted, received, consumer, subscription }) {
  if (muted) return `${name} has switched this off.`;
  if (consumer?.paused) return "It is stopped, because it is not on your screen now.";
  if (consumer?.cause) return sentence(consumer.cause.text);
  if (subscription?.reason === "bandwidth") return "You get a smaller picture, because your connection carries no more now.";
  if (subscription?.reason === "publisher") return `You get what ${name} sends: a larger picture is not sent, or not yet.`;
  if (!received) return "It is asked for, and nothing has come yet.";
  if (received.path === "p2p") return `It comes directly from ${name}, without a server in between.`;
  if (subscription) return "You get all that fits your screen.";
  return "Nothing is wrong.";
}

/**
 * How one's own call goes, in a sentence.
 *
 * @param {Quality | undefined} quality
 * @param {boolean} direct media goes without the server
 * @returns {string}
 */
export function summary(quality, direct) {
  if (quality?.cause) return sentence(quality.cause.text);
  if (quality) return "Nothing is wrong.";
  return direct ? "The call goes directly between you, so the server cannot judge it." : "It is not known yet.";
}

/** @param {string} text */
function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/**
 * @param {number | null | undefined} bits per second
 * @returns {string}
 */
export function rate(bits) {
  if (bits === null || bits === undefined) return "–";
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1000)} kbit/s`;
}

/**
 * @param {number | null | undefined} part 0 to 1
 * @returns {string}
 */
export function percent(part) {
  return part === null || part === undefined ? "–" : `${(100 * part).toFixed(part && part < 0.1 ? 1 : 0)} %`;
}

/**
 * @param {number | null | undefined} seconds
 * @returns {string}
 */
export function milliseconds(seconds) {
  return seconds === null || seconds === undefined ? "–" : `${Math.round(1000 * seconds)} ms`;
}
