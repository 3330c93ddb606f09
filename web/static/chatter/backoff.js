// The first try comes quickly (a server that restarts is back in a second). For a minute or two a call is worth asking
// for often: it is back within three seconds of the server. Then the server is left alone.
const FIRST_MS = 600;
const EAGER_MS = 2_000;
const EAGER_ATTEMPTS = 60;
const LONGEST_MS = 15_000;

/**
 * How long to wait before trying again: doubling, with half of it left to chance, so that a thousand clients of one
 * server do not come back in the same instant.
 *
 * @param {number} attempt 0 for the first try after a loss
 * @param {number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function reconnectDelay(attempt, random) {
  const longest = attempt < EAGER_ATTEMPTS ? EAGER_MS : LONGEST_MS;
  const ceiling = Math.min(longest, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
