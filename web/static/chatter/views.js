/** @import { Clock } from "./clock.js" */
/** @import { ClientMessage } from "./messages.js" */

/**
 * How a track is shown.
 *
 * @typedef {object} View
 * @property {number} width physical pixels
 * @property {number} height
 * @property {boolean} visible somebody can see it now
 * @property {number} [priority] higher ones are served first when not all can be
 */

// A window that is dragged to its size says so once.
const SETTLE_MS = 250;
// Who looks away for a moment finds the picture as it was.
const HIDDEN_MS = 2000;
// A change by less is not worth another layer.
const LEAST_CHANGE = 0.1;

/** Tells the media server how what comes from it is shown: in which size, or not at all. */
export class Views {
  #send;
  #clock;
  /** @type {Map<string, View>} */
  #wanted = new Map();
  /** @type {Map<string, View>} what the server knows */
  #told = new Map();
  /** @type {Set<string>} what comes from the server */
  #arrived = new Set();
  /** @type {Map<string, any>} */
  #timers = new Map();

  /**
   * @param {object} options
   * @param {(message: ClientMessage) => boolean} options.send
   * @param {Clock} options.clock
   */
  constructor({ send, clock }) {
    this.#send = send;
    this.#clock = clock;
  }

  /**
   * @param {string} trackId
   * @param {View} view
   */
  set(trackId, view) {
    this.#wanted.set(trackId, view);
    const told = this.#told.get(trackId);
    // What is seen again is to come at once.
    if (view.visible && told && !told.visible) this.#tell(trackId);
    else this.#later(trackId, view.visible ? SETTLE_MS : HIDDEN_MS);
  }

  /**
   * A track comes from the server (anew): it knows nothing of how it is shown.
   *
   * @param {string} trackId
   */
  arrived(trackId) {
    this.#arrived.add(trackId);
    this.#told.delete(trackId);
    const view = this.#wanted.get(trackId);
    if (view) this.#later(trackId, view.visible ? 0 : HIDDEN_MS);
  }

  /** @param {string} trackId */
  gone(trackId) {
    this.#arrived.delete(trackId);
    this.#told.delete(trackId);
    this.#wanted.delete(trackId);
    this.#clock.clearTimeout(this.#timers.get(trackId));
    this.#timers.delete(trackId);
  }

  /**
   * @param {string} trackId
   * @param {number} milliseconds
   */
  #later(trackId, milliseconds) {
    this.#clock.clearTimeout(this.#timers.get(trackId));
    this.#timers.set(trackId, this.#clock.setTimeout(() => this.#tell(trackId), milliseconds));
  }

  /** @param {string} trackId */
  #tell(trackId) {
    this.#clock.clearTimeout(this.#timers.get(trackId));
    this.#timers.delete(trackId);
    const view = this.#wanted.get(trackId);
    if (!view || !this.#arrived.has(trackId) || isAlike(view, this.#told.get(trackId))) return;
    const { width, height, visible, priority = 0 } = view;
    const size = width >= 1 && height >= 1 ? { width: Math.round(width), height: Math.round(height) } : {};
    if (this.#send({ type: "subscription", trackId, paused: !visible, priority, ...size })) this.#told.set(trackId, view);
  }
}

/**
 * @param {View} view
 * @param {View | undefined} told
 * @returns {boolean}
 */
function isAlike(view, told) {
  if (!told || view.visible !== told.visible || (view.priority ?? 0) !== (told.priority ?? 0)) return false;
  const near = (/** @type {number} */ a, /** @type {number} */ b) => Math.abs(a - b) <= LEAST_CHANGE * Math.max(a, b);
  return !view.visible || (near(view.width, told.width) && near(view.height, told.height));
}
