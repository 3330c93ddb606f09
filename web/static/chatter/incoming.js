import { Emitter } from "./emitter.js";

/** @import { Mode } from "./messages.js" */

/**
 * @typedef {{track: MediaStreamTrack, receiver: RTCRtpReceiver}} Arrival
 * @typedef {{p2p: Arrival | null, sfu: Arrival | null, sfuLive: boolean}} Paths
 *
 * @typedef {object} IncomingEvents
 * @property {{trackId: string, track: MediaStreamTrack | null, path: Mode | null}} shown
 */

/**
 * The path to play a track from: the direct one until the first frame by way of the media server has been decoded, so
 * that nobody sees the change.
 *
 * @param {{p2p: unknown, sfu: unknown, sfuLive: boolean}} paths
 * @returns {Mode | null}
 */
export function pathOf({ p2p, sfu, sfuLive }) {
  if (sfu && (sfuLive || !p2p)) return "sfu";
  return p2p ? "p2p" : null;
}

/**
 * The remote tracks that have arrived, by track id, each on one path or on two.
 *
 * @extends {Emitter<IncomingEvents>}
 */
export class Incoming extends Emitter {
  /** @type {Map<string, Paths>} */
  #paths = new Map();
  /** @type {Map<string, Arrival>} */
  #shown = new Map();

  /**
   * @param {string} trackId
   * @param {Mode} path
   * @param {Arrival} arrival
   */
  arrive(trackId, path, arrival) {
    this.#change(trackId, { [path]: arrival, ...(path === "sfu" && { sfuLive: false }) });
  }

  /**
   * @param {string} trackId
   * @param {Mode} path
   */
  depart(trackId, path) {
    if (this.#paths.has(trackId)) this.#change(trackId, { [path]: null, ...(path === "sfu" && { sfuLive: false }) });
  }

  /**
   * The first frame of what arrived has been decoded.
   *
   * @param {string} trackId
   * @param {Arrival} arrival
   */
  live(trackId, arrival) {
    if (this.#paths.get(trackId)?.sfu === arrival) this.#change(trackId, { sfuLive: true });
  }

  /**
   * @param {string} trackId
   * @returns {Paths}
   */
  get(trackId) {
    return this.#paths.get(trackId) ?? { p2p: null, sfu: null, sfuLive: false };
  }

  /** @returns {{trackId: string, path: Mode, arrival: Arrival}[]} what is played now */
  playing() {
    return [...this.#paths].flatMap(([trackId, paths]) => {
      const path = pathOf(paths);
      const arrival = path && paths[path];
      return path && arrival ? [{ trackId, path, arrival }] : [];
    });
  }

  /** @returns {string[]} */
  trackIds() {
    return [...this.#paths.keys()];
  }

  /**
   * @param {string} trackId
   * @param {Partial<Paths>} change
   */
  #change(trackId, change) {
    const paths = { ...this.get(trackId), ...change };
    if (paths.p2p || paths.sfu) this.#paths.set(trackId, paths);
    else this.#paths.delete(trackId);
    const path = pathOf(paths);
    const arrival = path && paths[path];
    if (this.#shown.get(trackId) === (arrival ?? undefined)) return;
    if (arrival) this.#shown.set(trackId, arrival);
    else this.#shown.delete(trackId);
    this.emit("shown", { trackId, track: arrival?.track ?? null, path });
  }
}
