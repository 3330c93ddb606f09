import { Emitter } from "./emitter.js";
import { Peer } from "./p2p.js";

/** @import { ClientMessage, Source, WebRtc } from "./messages.js" */

/**
 * @typedef {object} MeshEvents
 * @property {{clientId: string, source: Source, track: MediaStreamTrack, receiver: RTCRtpReceiver}} track
 * @property {{clientId: string, source: Source}} gone
 * @property {{clientId: string, state: RTCPeerConnectionState}} state
 */

/**
 * The direct connections to the other participants of a room.
 *
 * @extends {Emitter<MeshEvents>}
 */
export class Mesh extends Emitter {
  /** @type {Map<string, Peer>} */
  #peers = new Map();
  /** @type {Map<Source, MediaStreamTrack | null>} */
  #local = new Map();
  #options;

  /**
   * @param {object} options
   * @param {(message: ClientMessage) => boolean} options.send
   * @param {readonly RTCIceServer[]} [options.iceServers]
   * @param {typeof RTCPeerConnection} [options.RTCPeerConnection]
   */
  constructor(options) {
    super();
    this.#options = options;
  }

  get clientIds() {
    return [...this.#peers.keys()];
  }

  /**
   * Meets somebody who has just come: the first offer is ours.
   *
   * @param {string} clientId
   */
  meet(clientId) {
    if (!this.#peers.has(clientId)) this.#add(clientId, false).start();
  }

  /** @param {WebRtc} message of somebody who was here before us, or of a peer */
  receive(message) {
    const peer = this.#peers.get(message.from);
    if (peer) peer.receive(message);
    else if (message.action === "offer") this.#add(message.from, true).receive(message);
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  setLocal(source, track) {
    this.#local.set(source, track);
    for (const peer of this.#peers.values()) peer.setLocal(source, track);
  }

  /** @returns {{clientId: string, source: Source, receiver: RTCRtpReceiver}[]} */
  receivers() {
    return [...this.#peers].flatMap(([clientId, peer]) =>
      peer.receivers().map((received) => ({ clientId, ...received })),
    );
  }

  /** @param {string} clientId */
  part(clientId) {
    const peer = this.#peers.get(clientId);
    this.#peers.delete(clientId);
    peer?.close();
  }

  close() {
    for (const clientId of this.clientIds) this.part(clientId);
  }

  /**
   * @param {string} clientId
   * @param {boolean} polite
   * @returns {Peer}
   */
  #add(clientId, polite) {
    const peer = new Peer({ ...this.#options, remoteId: clientId, polite });
    this.#peers.set(clientId, peer);
    peer.on("track", (arrival) => this.emit("track", { clientId, ...arrival }));
    peer.on("gone", (departure) => this.emit("gone", { clientId, ...departure }));
    peer.on("state", (state) => this.emit("state", { clientId, state }));
    for (const [source, track] of this.#local) peer.setLocal(source, track);
    return peer;
  }
}
