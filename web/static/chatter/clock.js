/**
 * The time and the timers of everything in this folder, so that tests can move them by hand.
 *
 * @typedef {object} Clock
 * @property {() => number} now milliseconds, monotonic
 * @property {(callback: () => void, milliseconds: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/** @type {Clock} */
export const systemClock = {
  now: () => performance.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer),
};
