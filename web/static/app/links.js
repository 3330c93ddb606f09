/**
 * A piece of text, and where it leads if it is a link.
 *
 * @typedef {{text: string, href: string | null}} Piece
 */

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`]+/giu;
// What ends a sentence rather than an address.
const TRAILING = /[.,;:!?…)\]}»”’]+$/u;

/**
 * Finds the addresses in a message. Only http and https are links: a `javascript:` address stays text.
 *
 * @param {string} text
 * @returns {Piece[]}
 */
export function split(text) {
  /** @type {Piece[]} */
  const pieces = [];
  let done = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    if (!URL.canParse(address)) continue;
    if (match.index > done) pieces.push({ text: text.slice(done, match.index), href: null });
    pieces.push({ text: address, href: new URL(address).href });
    done = match.index + address.length;
  }
  if (done < text.length) pieces.push({ text: text.slice(done), href: null });
  return pieces;
}

/**
 * @param {string} address
 * @returns {string} without the punctuation behind it; a bracket that was opened inside stays
 */
function trim(address) {
  let kept = address;
  for (;;) {
    const tail = TRAILING.exec(kept)?.[0];
    if (!tail) return kept;
    const last = kept.slice(-1);
    if (last === ")" && kept.split("(").length >= kept.split(")").length) return kept;
    kept = kept.slice(0, -1);
  }
}
