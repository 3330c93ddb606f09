import { reconnectDelay } from "./backoff.js";
import { systemClock } from "./clock.js";
import { receivable } from "./codecs.js";
import { DataChannels } from "./data.js";
import { Emitter } from "./emitter.js";
import { kindOf } from "./messages.js";
import { PathKeeper } from "./path.js";
import { addSender, hint, prefer } from "./sending.js";

/** @import { Clock } from "./clock.js" */
/** @import { DataMessage, DataOptions } from "./data.js" */
/** @import { ClientMessage, Encodings, Kind, Media, ServerError, Source, Track, WebRtc } from "./messages.js" */

const ANSWER_TIMEOUT_MS = 10_000;

/**
 * @typedef {"new" | "connecting" | "connected" | "waiting" | "unavailable" | "closed"} SfuState
 *
 * @typedef {object} SfuEvents
 * @property {{trackId: string, track: MediaStreamTrack, receiver: RTCRtpReceiver}} track
 * @property {{trackId: string}} gone
 * @property {DataMessage} data
 * @property {{state: SfuState, reason: string | null}} state
 */

/**
 * What an m-line is used for. A line without a purpose is inactive and waits to be used again.
 *
 * @typedef {object} Line
 * @property {RTCRtpTransceiver} transceiver
 * @property {Kind} kind
 * @property {Source | null} source what it sends; null for a receiving line
 * @property {string | null} trackId what it receives
 * @property {boolean} announced the `track` event has been given
 * @property {ReadonlyMap<string, boolean>} active which encodings are to be sent, by rid
 * @property {Promise<unknown>} configured when what was said of them last has been done
 */

/** An attempt that ended because the connection was replaced or closed meanwhile: nobody's error. */
class Superseded extends Error {}

/**
 * The connection to the media server: one RTCPeerConnection on which this client always offers. Say what to send
 * (`setLocal`) and what to receive (`setRemote`); the offers follow, one at a time.
 *
 * @extends {Emitter<SfuEvents>}
 */
export class SfuConnection extends Emitter {
  /** @type {typeof RTCPeerConnection} */
  #RTCPeerConnection;
  /** @type {RTCIceServer[]} */
  #iceServers;
  /** @type {(message: ClientMessage) => boolean} */
  #send;
  /** @type {() => boolean} */
  #away;
  /** @type {Clock} */
  #clock;
  #random;
  /** @type {(kind: Kind) => RTCRtpCodec[]} */
  #codecs;
  #withData;

  /** @type {RTCPeerConnection | null} */
  #pc = null;
  /** @type {DataChannels | null} */
  #data = null;
  /** @type {PathKeeper | null} */
  #path = null;
  /** An offer is due, whatever the lines are. */
  #renewing = false;
  /** @type {Line[]} */
  #lines = [];
  /** @type {Map<Source, MediaStreamTrack | null>} */
  #local = new Map();
  /** @type {Map<string, Track>} */
  #wanted = new Map();
  /** @type {Set<string>} tracks that the server could not give, until it says something new about them */
  #refused = new Set();
  #offerId = 0;
  /** @type {{id: number, resolve: (answer: WebRtc) => void, reject: (error: Error) => void, timer: any} | null} */
  #pending = null;
  /** @type {any} */
  #retryTimer = null;
  #attempt = 0;
  #dirty = false;
  #running = false;
  /** @type {SfuState} */
  #state = "new";

  /**
   * @param {object} options
   * @param {(message: ClientMessage) => boolean} options.send
   * @param {() => boolean} [options.away] signaling is broken and being resumed: the answer takes its time
   * @param {readonly RTCIceServer[]} [options.iceServers]
   * @param {typeof RTCPeerConnection} [options.RTCPeerConnection]
   * @param {Clock} [options.clock]
   * @param {() => number} [options.random]
   * @param {(kind: Kind) => RTCRtpCodec[]} [options.codecs] what this browser can receive; none: do not choose
   * @param {boolean} [options.data] open data channels
   */
  constructor({
    send,
    away = () => false,
    iceServers = [],
    RTCPeerConnection = globalThis.RTCPeerConnection,
    clock = systemClock,
    random = Math.random,
    codecs = () => [],
    data = false,
  }) {
    super();
    this.#send = send;
    this.#away = away;
    this.#iceServers = [...iceServers];
    this.#RTCPeerConnection = RTCPeerConnection;
    this.#clock = clock;
    this.#random = random;
    this.#codecs = codecs;
    this.#withData = data;
  }

  get state() {
    return this.#state;
  }

  /**
   * What to send as a source; null stops sending. A device that goes and comes back needs no new offer.
   *
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  setLocal(source, track) {
    if (track) hint(source, track);
    this.#local.set(source, track);
    this.#update();
  }

  /**
   * The remote tracks to receive: all of them, each time.
   *
   * @param {readonly Track[]} tracks
   */
  setRemote(tracks) {
    const wanted = new Map(tracks.filter((track) => track.sfu).map((track) => [track.id, track]));
    for (const [id, track] of wanted) if (this.#wanted.get(id) !== track) this.#refused.delete(id);
    for (const id of this.#refused) if (!wanted.has(id)) this.#refused.delete(id);
    this.#wanted = wanted;
    this.#update();
  }

  /** @param {WebRtc} message from `sfu` */
  receive(message) {
    if (message.action === "answer" && this.#pending && message.id === this.#pending.id) {
      const { resolve } = this.#pending;
      this.#settle();
      resolve(message);
    }
  }

  /**
   * Sends the encodings that somebody wants, and lets the others rest.
   *
   * @param {Encodings} message
   */
  encodings({ trackId, encodings }) {
    const line = this.#lines.find(({ source }) => source && trackId.endsWith(`:${source}`));
    if (!line) return;
    line.active = new Map(encodings.map(({ rid, active }) => [rid, active]));
    void this.#configure(line);
  }

  /** Sends all encodings: what the server said of them may have been lost. */
  sendAll() {
    for (const line of this.#lines) {
      line.active = new Map();
      void this.#configure(line);
    }
  }

  /**
   * @param {Line} line
   * @returns {Promise<unknown>}
   */
  #configure(line) {
    const { source, transceiver } = line;
    if (!source) return Promise.resolve();
    // One after the other: parameters that were read before the last change are refused.
    line.configured = line.configured.then(() => prefer(source, transceiver.sender, line.active));
    return line.configured;
  }

  /** Offers again: the server may answer otherwise now. */
  renegotiate() {
    this.#renewing = true;
    this.#update();
  }

  /** @param {Media} message */
  media(message) {
    if (message.state === "closed" && this.#pc) this.#restart(message.reason ?? "closed by the server");
  }

  /**
   * @param {ServerError} message
   * @returns {boolean} whether it was about an offer from here
   */
  refuse(message) {
    if (!this.#pending || message.id !== this.#pending.id) return false;
    if (message.code === "media_unavailable") {
      this.#discard();
      this.#setState("unavailable", message.message);
    } else {
      const { reject } = this.#pending;
      this.#settle();
      reject(new Error(message.message));
    }
    return true;
  }

  /**
   * @returns {{trackId: string, receiver: RTCRtpReceiver}[]}
   */
  receivers() {
    return this.#lines.flatMap(({ trackId, transceiver }) =>
      trackId ? [{ trackId, receiver: transceiver.receiver }] : [],
    );
  }

  /**
   * @param {string | Uint8Array} payload
   * @param {DataOptions} [options]
   * @returns {boolean} whether it goes out; see DataChannels
   */
  sendData(payload, options) {
    return this.#data?.send(payload, options) ?? false;
  }

  /** The machine has another network. */
  networkChanged() {
    this.#path?.networkChanged();
  }

  close() {
    if (this.#state === "closed") return;
    this.#clock.clearTimeout(this.#retryTimer);
    this.#discard();
    this.#setState("closed", null);
  }

  #update() {
    this.#dirty = true;
    // Later in this turn: what is said together goes into one offer.
    queueMicrotask(() => void this.#run());
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#dirty && this.#retryTimer === null && !["closed", "unavailable"].includes(this.#state)) {
        this.#dirty = false;
        try {
          await this.#negotiate();
        } catch (error) {
          if (!(error instanceof Superseded)) this.#restart(String(error instanceof Error ? error.message : error));
        }
      }
    } finally {
      this.#running = false;
    }
  }

  async #negotiate() {
    const pc = (this.#pc ??= this.#connect());
    const needed = await this.#arrange(pc);
    this.#check(pc);
    if (!needed && !this.#renewing && !(this.#data && !pc.localDescription)) return;
    this.#renewing = false;
    await pc.setLocalDescription(await pc.createOffer());
    this.#check(pc);
    const answer = await this.#offer(pc);
    this.#check(pc);
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp ?? "" });
    this.#check(pc);
    await Promise.all(this.#lines.map((line) => this.#configure(line)));
    this.#check(pc);
    this.#conclude(answer.subscribe ?? {});
  }

  /** @returns {RTCPeerConnection} */
  #connect() {
    const pc = new this.#RTCPeerConnection({ iceServers: this.#iceServers, bundlePolicy: "max-bundle" });
    const path = new PathKeeper(pc, {
      clock: this.#clock,
      renew: () => {
        pc.restartIce();
        this.#renewing = true;
        this.#update();
      },
      giveUp: (reason) => this.#restart(reason),
    });
    this.#path = path;
    if (this.#withData) {
      this.#data = new DataChannels(pc);
      this.#data.on("message", (message) => this.emit("data", message));
    }
    pc.onconnectionstatechange = () => {
      if (pc !== this.#pc) return;
      if (pc.connectionState === "connected") {
        this.#attempt = 0;
        this.#setState("connected", null);
      }
      path.stateChanged();
    };
    this.#setState("connecting", null);
    return pc;
  }

  /**
   * Makes the m-lines fit what is to be sent and received.
   *
   * @param {RTCPeerConnection} pc
   * @returns {Promise<boolean>} whether that takes an offer
   */
  async #arrange(pc) {
    let needed = false;
    /** @type {Promise<void>[]} */
    const replaced = [];
    for (const [source, track] of this.#local) {
      const line = this.#lines.find((candidate) => candidate.source === source);
      if (!line) {
        if (!track) continue;
        this.#lines.push(newLine(addSender(pc, source, track), kindOf(source), source));
        needed = true;
        continue;
      }
      const { transceiver } = line;
      if (transceiver.sender.track !== track) replaced.push(transceiver.sender.replaceTrack(track));
      // A camera comes and goes with its button, so its line stays; a screen is a thing of the moment.
      const lasting = source === "camera" || source === "microphone";
      const direction = track || lasting ? "sendonly" : "inactive";
      if (transceiver.direction !== direction) {
        transceiver.direction = direction;
        needed = true;
      }
    }
    const open = new Map([...this.#wanted].filter(([id]) => !this.#refused.has(id)));
    for (const line of this.#lines) {
      if (!line.trackId) continue;
      if (open.delete(line.trackId)) continue;
      this.#release(line);
      needed = true;
    }
    for (const [trackId, track] of open) {
      this.#assign(pc, trackId, track);
      needed = true;
    }
    await Promise.all(replaced);
    return needed;
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {string} trackId
   * @param {Track} track
   */
  #assign(pc, trackId, { kind, encodings = [] }) {
    let line = this.#lines.find((free) => !free.source && !free.trackId && free.kind === kind);
    if (line) {
      line.transceiver.direction = "recvonly";
    } else {
      const transceiver = pc.addTransceiver(kind, { direction: "recvonly" });
      line = newLine(transceiver, kind, null);
      this.#lines.push(line);
    }
    line.trackId = trackId;
    line.announced = false;
    const codecs = receivable(this.#codecs(kind), encodings.map(({ codec }) => codec));
    if (codecs.length > 0) line.transceiver.setCodecPreferences(codecs);
  }

  /** @param {Line} line */
  #release(line) {
    const { trackId, announced } = line;
    line.transceiver.direction = "inactive";
    line.trackId = null;
    line.announced = false;
    if (trackId && announced) this.emit("gone", { trackId });
  }

  /**
   * @param {RTCPeerConnection} pc
   * @returns {Promise<WebRtc>}
   */
  #offer(pc) {
    const id = ++this.#offerId;
    /** @type {Record<string, {source: Source}>} */
    const publish = {};
    /** @type {Record<string, string>} */
    const subscribe = {};
    for (const { transceiver, source, trackId } of this.#lines) {
      if (transceiver.mid === null) continue;
      if (source && transceiver.direction === "sendonly") publish[transceiver.mid] = { source };
      if (trackId) subscribe[transceiver.mid] = trackId;
    }
    return new Promise((resolve, reject) => {
      const pending = { id, resolve, reject, timer: null };
      this.#pending = pending;
      this.#await(pending);
      const sdp = pc.localDescription?.sdp ?? "";
      const sent = this.#send({ type: "webrtc", action: "offer", to: "sfu", id, sdp, publish, subscribe });
      if (!sent) {
        this.#settle();
        reject(new Error("there is no connection to send the offer on"));
      }
    });
  }

  /** @param {{reject: (error: Error) => void, timer: any}} pending */
  #await(pending) {
    const away = this.#away();
    pending.timer = this.#clock.setTimeout(() => {
      // A break within this time has cost the server a part of it.
      if (away || this.#away()) return this.#await(pending);
      this.#settle();
      pending.reject(new Error("the media server did not answer in time"));
    }, ANSWER_TIMEOUT_MS);
  }

  /** @param {Record<string, string | null>} given by mid */
  #conclude(given) {
    for (const line of this.#lines) {
      const { trackId, transceiver } = line;
      if (!trackId || transceiver.mid === null) continue;
      if (given[transceiver.mid] === null) {
        this.#refused.add(trackId);
        this.#release(line);
      } else if (!line.announced) {
        line.announced = true;
        const { receiver } = transceiver;
        this.emit("track", { trackId, track: receiver.track, receiver });
      }
    }
  }

  /** @param {string} reason */
  #restart(reason) {
    this.#discard();
    if (this.#state === "closed" || this.#state === "unavailable") return;
    this.#setState("waiting", reason);
    this.#clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = this.#clock.setTimeout(() => {
      this.#retryTimer = null;
      this.#update();
    }, reconnectDelay(this.#attempt, this.#random()));
    this.#attempt += 1;
  }

  #discard() {
    const pc = this.#pc;
    const lines = this.#lines;
    this.#pc = null;
    this.#lines = [];
    this.#path?.stop();
    this.#path = null;
    this.#data = null;
    this.#renewing = false;
    this.#refused.clear();
    const pending = this.#pending;
    this.#settle();
    pending?.reject(new Superseded());
    pc?.close();
    for (const { trackId, announced } of lines) if (trackId && announced) this.emit("gone", { trackId });
  }

  #settle() {
    if (this.#pending) this.#clock.clearTimeout(this.#pending.timer);
    this.#pending = null;
  }

  /** @param {RTCPeerConnection} pc */
  #check(pc) {
    if (pc !== this.#pc) throw new Superseded();
  }

  /**
   * @param {SfuState} state
   * @param {string | null} reason
   */
  #setState(state, reason) {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", { state, reason });
  }
}

/**
 * @param {RTCRtpTransceiver} transceiver
 * @param {Kind} kind
 * @param {Source | null} source
 * @returns {Line}
 */
function newLine(transceiver, kind, source) {
  return {
    transceiver,
    kind,
    source,
    trackId: null,
    announced: false,
    active: new Map(),
    configured: Promise.resolve(),
  };
}
