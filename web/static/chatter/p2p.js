import { Emitter } from "./emitter.js";
import { kindOf } from "./messages.js";
import { hint, prefer, sendEncodings } from "./sending.js";

/** @import { ClientMessage, Kind, Source, WebRtc } from "./messages.js" */

/** The sources of the m-lines of a kind in their order, where the other side does not name them. */
const UNNAMED = /** @type {Record<Kind, Source[]>} */ ({
  audio: ["microphone", "screen-audio"],
  video: ["camera", "screen"],
});

/**
 * @typedef {object} PeerEvents
 * @property {{source: Source, track: MediaStreamTrack, receiver: RTCRtpReceiver}} track
 * @property {{source: Source}} gone
 * @property {RTCPeerConnectionState} state
 */

/**
 * The sources that a peer's m-lines bring.
 *
 * @param {readonly {mid: string, kind: Kind}[]} lines those on which something is received, in SDP order
 * @param {Record<string, {source?: Source}>} named from the other side's `publish`
 * @returns {Map<string, Source>} by mid
 */
export function sourcesOf(lines, named) {
  /** @type {Map<string, Source>} */
  const sources = new Map();
  const taken = new Set(Object.values(named).map((entry) => entry?.source));
  for (const { mid, kind } of lines) {
    const source = named[mid]?.source ?? UNNAMED[kind].find((free) => !taken.has(free));
    if (!source || kindOf(source) !== kind) continue;
    taken.add(source);
    sources.set(mid, source);
  }
  return sources;
}

/**
 * A direct connection to one other participant, by perfect negotiation (W3C WebRTC 1.0, section 10.7). The one who was
 * in the room first makes the first offer, with a line for a microphone and one for a camera, whether or not it has them;
 * the newcomer is polite and answers on the same lines.
 *
 * @extends {Emitter<PeerEvents>}
 */
export class Peer extends Emitter {
  #remoteId;
  #polite;
  /** @type {(message: ClientMessage) => boolean} */
  #send;
  #pc;
  /** @type {Map<Source, MediaStreamTrack | null>} */
  #local = new Map();
  /** @type {Map<Source, RTCRtpTransceiver>} */
  #senders = new Map();
  /** @type {Map<Source, RTCRtpReceiver>} */
  #received = new Map();
  /** @type {Record<string, {source?: Source}>} */
  #named = {};
  /** @type {Promise<void>} */
  #queue = Promise.resolve();
  #ignoring = false;
  #started = false;
  #closed = false;

  /**
   * @param {object} options
   * @param {string} options.remoteId
   * @param {boolean} options.polite the newcomer of the two
   * @param {(message: ClientMessage) => boolean} options.send
   * @param {readonly RTCIceServer[]} [options.iceServers]
   * @param {typeof RTCPeerConnection} [options.RTCPeerConnection]
   */
  constructor({ remoteId, polite, send, iceServers = [], RTCPeerConnection = globalThis.RTCPeerConnection }) {
    super();
    this.#remoteId = remoteId;
    this.#polite = polite;
    this.#send = send;
    const pc = (this.#pc = new RTCPeerConnection({ iceServers: [...iceServers], bundlePolicy: "max-bundle" }));
    pc.onnegotiationneeded = () => this.#enqueue(() => this.#offer());
    pc.onicecandidate = ({ candidate }) => {
      if (candidate) send({ type: "webrtc", action: "ice", to: remoteId, candidate: candidate.toJSON() });
    };
    pc.onconnectionstatechange = () => {
      if (this.#closed) return;
      if (pc.connectionState === "failed" && !polite) pc.restartIce();
      this.emit("state", pc.connectionState);
    };
  }

  get connectionState() {
    return this.#pc.connectionState;
  }

  /** Makes the first offer (for the one who was there first; the newcomer waits for it). */
  start() {
    this.#started = true;
    for (const source of /** @type {Source[]} */ (["microphone", "camera"])) this.#addLine(source);
    this.#applyLocal();
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  setLocal(source, track) {
    if (track) hint(source, track);
    this.#local.set(source, track);
    // Before the first offer has come, lines of one's own would be doubles of those in it.
    if (this.#started) this.#applyLocal();
  }

  /** @param {WebRtc} message from the other participant */
  receive(message) {
    this.#enqueue(() => (message.action === "ice" ? this.#candidate(message) : this.#description(message)));
  }

  /** @returns {{source: Source, receiver: RTCRtpReceiver}[]} */
  receivers() {
    return [...this.#received].map(([source, receiver]) => ({ source, receiver }));
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#pc.onnegotiationneeded = this.#pc.onicecandidate = this.#pc.onconnectionstatechange = null;
    this.#pc.close();
    for (const source of this.#received.keys()) this.emit("gone", { source });
    this.#received.clear();
  }

  /** @param {() => Promise<void>} step */
  #enqueue(step) {
    this.#queue = this.#queue.then(async () => {
      if (!this.#closed) await step();
    });
    this.#queue = this.#queue.catch((error) => {
      // A closed connection rejects what was under way; anything else is worth seeing.
      if (!this.#closed) queueMicrotask(() => Promise.reject(error));
    });
  }

  async #offer() {
    if (this.#pc.signalingState !== "stable") return;
    await this.#pc.setLocalDescription();
    this.#sendDescription();
  }

  /** @param {WebRtc} message */
  async #description({ action, sdp, publish = {} }) {
    const type = action === "offer" ? "offer" : "answer";
    // Steps run one after the other, so an offer in the making is one that has been made.
    const collision = type === "offer" && this.#pc.signalingState !== "stable";
    this.#ignoring = !this.#polite && collision;
    if (this.#ignoring) return;
    if (type === "answer" && this.#pc.signalingState !== "have-local-offer") return;
    await this.#pc.setRemoteDescription({ type, sdp: sdp ?? "" });
    this.#named = publish;
    if (type === "offer") {
      this.#started = true;
      this.#adopt();
      this.#applyLocal();
      await this.#pc.setLocalDescription();
      this.#sendDescription();
    }
    this.#announce();
  }

  /** @param {WebRtc} message */
  async #candidate({ candidate }) {
    if (!candidate) return;
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch (error) {
      // Candidates of an offer that was ignored belong to nothing here.
      if (!this.#ignoring) throw error;
    }
  }

  #sendDescription() {
    const description = this.#pc.localDescription;
    if (!description) return;
    /** @type {Record<string, {source: Source}>} */
    const publish = {};
    for (const [source, { mid, direction }] of this.#senders)
      if (mid !== null && direction.includes("send")) publish[mid] = { source };
    const action = description.type === "offer" ? "offer" : "answer";
    this.#send({ type: "webrtc", action, to: this.#remoteId, sdp: description.sdp, publish });
  }

  /** Takes the lines of the other side's offer for one's own microphone and camera. */
  #adopt() {
    const used = new Set(this.#senders.values());
    const lines = this.#pc.getTransceivers().filter(({ mid }) => mid !== null);
    const free = lines.filter((line) => !used.has(line) && line.direction !== "stopped");
    const sources = sourcesOf(
      free.map(({ mid, receiver }) => ({ mid: String(mid), kind: /** @type {Kind} */ (receiver.track.kind) })),
      this.#named,
    );
    for (const line of free) {
      const source = sources.get(String(line.mid));
      if ((source === "microphone" || source === "camera") && !this.#senders.has(source)) {
        line.direction = "sendrecv";
        this.#senders.set(source, line);
      }
    }
  }

  #applyLocal() {
    for (const [source, track] of this.#local) {
      const line = this.#senders.get(source) ?? (track ? this.#addLine(source) : null);
      if (!line) continue;
      // The rejection of replaceTrack on a closed connection has nobody left to matter to.
      if (line.sender.track !== track) this.#enqueue(() => this.#replace(source, line.sender, track));
      if (source === "screen" || source === "screen-audio") line.direction = track ? "sendonly" : "inactive";
    }
  }

  /**
   * @param {Source} source
   * @param {RTCRtpSender} sender
   * @param {MediaStreamTrack | null} track
   */
  async #replace(source, sender, track) {
    await sender.replaceTrack(track);
    await prefer(source, sender);
  }

  /** @param {Source} source */
  #addLine(source) {
    const known = this.#senders.get(source);
    if (known) return known;
    const lasting = source === "microphone" || source === "camera";
    const line = this.#pc.addTransceiver(this.#local.get(source) ?? kindOf(source), {
      direction: lasting ? "sendrecv" : "sendonly",
      sendEncodings: sendEncodings(source),
    });
    this.#senders.set(source, line);
    return line;
  }

  /** Tells what is received now, and what no longer. */
  #announce() {
    const receiving = this.#pc
      .getTransceivers()
      .filter(({ mid, currentDirection }) => mid !== null && currentDirection?.includes("recv"));
    const sources = sourcesOf(
      receiving.map(({ mid, receiver }) => ({ mid: String(mid), kind: /** @type {Kind} */ (receiver.track.kind) })),
      this.#named,
    );
    const before = this.#received;
    this.#received = new Map();
    for (const { mid, receiver } of receiving) {
      const source = sources.get(String(mid));
      if (source) this.#received.set(source, receiver);
    }
    for (const source of before.keys()) if (!this.#received.has(source)) this.emit("gone", { source });
    for (const [source, receiver] of this.#received)
      if (before.get(source) !== receiver) this.emit("track", { source, track: receiver.track, receiver });
  }
}
