// The first try comes quickly (a server that restarts is back in a second); the last ones leave it alone.
const FIRST_MS = 600;
const LONGEST_MS = 8_000;

/**
 * How long to wait before trying again: doubling, with half of it left to chance, so that a thousand clients of one
 * server do not come back in the same instant.
 *
 * @param {number} attempt 0 for the first try after a loss
 * @param {number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function reconnectDelay(attempt, random) {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
