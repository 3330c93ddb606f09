import { systemClock } from "./clock.js";
import { Emitter } from "./emitter.js";
import { firstFrame } from "./first-frame.js";
import { Incoming } from "./incoming.js";
import { Mesh } from "./mesh.js";
import { emptyRoom, mayPublish, reduce, trackOf } from "./room.js";
import { SfuConnection } from "./sfu.js";
import { Signaling } from "./signaling.js";
import { Speakers, levelOf } from "./speaking.js";
import { received } from "./stats.js";
import { Views } from "./views.js";

/** @import { Clock } from "./clock.js" */
/** @import { DataMessage, DataOptions } from "./data.js" */
/**
 * @import { Chat, Draining, InLobby, Kind, Mode, Muted, QualityNews, Resumed, ServerError, ServerMessage, Source, Stats } from "./messages.js"
 * @import { Moderation, Subscription } from "./messages.js"
 */
/** @import { Room } from "./room.js" */
/** @import { SfuState } from "./sfu.js" */
/** @import { Refusal, SignalingState } from "./signaling.js" */
/** @import { TrackStats } from "./stats.js" */
/** @import { View } from "./views.js" */

// The other side plays our direct media until it has decoded its own first frame, a little after or before us.
const PEER_GRACE_MS = 3000;
// Then the direct connection goes even if nothing has come by way of the server: it may have died meanwhile.
const HANDOVER_LIMIT_MS = 20_000;
const LEVELS_EVERY_MS = 150;

/**
 * @typedef {object} CallEvents
 * @property {{state: SignalingState, attempt: number, retryInMs: number | null}} signaling
 * @property {{state: SfuState, reason: string | null}} media
 * @property {{clientId: string, state: RTCPeerConnectionState}} peer the state of a direct connection
 * @property {{room: Room, before: Room, message: ServerMessage}} room something about the room has changed
 * @property {Chat} chat
 * @property {DataMessage} data
 * @property {InLobby} lobby one has to wait until a moderator lets one in
 * @property {Muted} muted a moderator has muted what one sends; `setMuted` lifts it again
 * @property {Draining} draining the server is about to end; the call comes back by itself
 * @property {{clientId: string, source: Source, track: MediaStreamTrack | null, path: Mode | null}} stream what to
 *   play of a participant's source from now on
 * @property {Subscription} subscription which layer of a track comes now
 * @property {QualityNews} quality it is news how well somebody's call goes
 * @property {Stats} stats the answer to `askStats`
 * @property {ReadonlySet<string>} speaking the client ids of those who speak: who is heard, and who the server says
 * @property {ServerError} error the server refused a message
 * @property {Refusal} refused the call has ended, and why
 */

/**
 * A call: one participant in one room, whichever way the media goes. It knows no page: it is given tracks and gives
 * tracks.
 *
 *     const call = new Call({ url: async () => "wss://chatter.example/ws/a1b2c3d4?displayName=Ann" });
 *     call.on("stream", ({ clientId, source, track }) => play(clientId, source, track));
 *     call.setTrack("microphone", stream.getAudioTracks()[0]);
 *     call.join();
 *
 * @extends {Emitter<CallEvents>}
 */
export class Call extends Emitter {
  /** @type {Clock} */
  #clock;
  #random;
  /** @type {typeof RTCPeerConnection} */
  #RTCPeerConnection;
  /** @type {(receiver: RTCRtpReceiver, clock: Clock, signal: AbortSignal) => Promise<void>} */
  #firstFrame;
  /** @type {(kind: Kind) => RTCRtpCodec[]} */
  #codecs;
  /** @type {() => number} */
  #localLevel;
  #withData;
  #signaling;
  #room = emptyRoom;
  /** @type {Map<Source, MediaStreamTrack | null>} */
  #local = new Map();
  /** @type {Set<Source>} */
  #muted = new Set();
  #incoming = new Incoming();
  #views;
  #mesh = new Mesh({ send: () => false });
  /** @type {SfuConnection | null} */
  #sfu = null;
  #aborter = new AbortController();
  /** @type {Map<string, any>} timers that close a direct connection, by client id */
  #parting = new Map();
  /** @type {any} */
  #handoverLimit = null;
  /** @type {any} */
  #levelTimer = null;
  #said = "[]";
  #speakers = new Speakers();
  /** @type {ReadonlySet<string>} */
  #speaking = new Set();

  /**
   * @param {object} options
   * @param {(refused: string | null) => Promise<string>} options.url see Signaling
   * @param {() => number} [options.localLevel] how loud one's own microphone is, 0 to 1
   * @param {(kind: Kind) => RTCRtpCodec[]} [options.codecs] see SfuConnection
   * @param {boolean} [options.data] take part in data messages, where media goes by way of the server
   * @param {typeof firstFrame} [options.firstFrame]
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {typeof RTCPeerConnection} [options.RTCPeerConnection]
   * @param {Clock} [options.clock]
   * @param {() => number} [options.random]
   */
  constructor(options) {
    super();
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#RTCPeerConnection = options.RTCPeerConnection ?? globalThis.RTCPeerConnection;
    this.#firstFrame = options.firstFrame ?? firstFrame;
    this.#codecs = options.codecs ?? (() => []);
    this.#localLevel = options.localLevel ?? (() => 0);
    this.#withData = options.data ?? false;
    this.#views = new Views({ send: (message) => this.#signaling.send(message), clock: this.#clock });
    this.#signaling = new Signaling({ ...options, clock: this.#clock, random: this.#random });
    this.#signaling.on("message", (message) => this.#receive(message));
    this.#signaling.on("state", (state) => this.emit("signaling", state));
    this.#signaling.on("refused", (refusal) => {
      this.#tearDown();
      this.emit("refused", refusal);
    });
    this.#incoming.on("shown", ({ trackId, track, path }) => this.emit("stream", { ...parse(trackId), track, path }));
  }

  /** @returns {Room} */
  get room() {
    return this.#room;
  }

  /** @returns {SfuState | null} */
  get mediaState() {
    return this.#sfu?.state ?? null;
  }

  join() {
    this.#signaling.open();
    this.#measure();
  }

  leave() {
    this.#signaling.close();
    this.#tearDown();
    this.#clock.clearTimeout(this.#levelTimer);
  }

  /** Reconnects at once if it was waiting to. */
  retryNow() {
    this.#signaling.retryNow();
  }

  /** The machine has another network: looks for new paths, and reconnects at once. */
  networkChanged() {
    this.#signaling.retryNow();
    this.#sfu?.networkChanged();
  }

  /**
   * What to send as a source from now on; null: nothing.
   *
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  setTrack(source, track) {
    // A screen is shared anew: a mute was of the one before.
    if (!track && source.startsWith("screen")) this.#muted.delete(source);
    if (track) track.enabled = !this.#muted.has(source);
    this.#local.set(source, track);
    this.#mesh.setLocal(source, track);
    this.#sfu?.setLocal(source, track);
    this.#sendTracks();
  }

  /**
   * Silences a source and says so, without letting go of its device.
   *
   * @param {Source} source
   * @param {boolean} muted
   */
  setMuted(source, muted) {
    if (muted) this.#muted.add(source);
    else this.#muted.delete(source);
    const track = this.#local.get(source);
    if (track) track.enabled = !muted;
    this.#sendTracks();
  }

  /**
   * @param {Source} source
   * @returns {boolean}
   */
  isMuted(source) {
    return !this.#local.get(source) || this.#muted.has(source);
  }

  /**
   * Says how a remote picture is shown, so that it comes in the size that fits, or not at all.
   *
   * @param {string} clientId
   * @param {Source} source
   * @param {View} view
   */
  setView(clientId, source, view) {
    this.#views.set(`${clientId}:${source}`, view);
  }

  /**
   * @param {string} text
   * @returns {boolean} whether it could be sent, or will be when the connection is back
   */
  sendChat(text) {
    return this.#signaling.send({ type: "chat", text });
  }

  /**
   * Sends others a message past the chat: to the room, or to those named. Refusals come as `error` events.
   *
   * @param {string | Uint8Array} payload
   * @param {DataOptions} [options]
   * @returns {boolean} whether it goes out: only in a call with the option `data`, by way of the server
   */
  sendData(payload, options) {
    return this.#sfu?.sendData(payload, options) ?? false;
  }

  /**
   * @param {string} displayName
   * @returns {boolean} whether it could be sent, or will be when the connection is back
   */
  setDisplayName(displayName) {
    return this.#signaling.send({ type: "profile", displayName });
  }

  /** Asks the server for its figures, unless it is away: the `stats` event brings them. */
  askStats() {
    if (!this.#signaling.away) this.#signaling.send({ type: "stats" });
  }

  /**
   * Decides about somebody or about the room, as moderators may. A refusal comes as an `error` event.
   *
   * @param {Moderation} decision
   * @returns {boolean} whether it could be sent, or will be when the connection is back
   */
  moderate(decision) {
    return this.#signaling.send({ type: "moderate", ...decision });
  }

  /** @returns {Promise<TrackStats[]>} of each remote track that is played */
  async stats() {
    return Promise.all(
      this.#incoming.playing().map(async ({ trackId, path, arrival }) => ({
        ...parse(trackId),
        path,
        ...received(await arrival.receiver.getStats()),
      })),
    );
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    const before = this.#room;
    this.#room = reduce(before, message);
    if (message.type === "welcome") this.#begin();
    if (this.#room !== before) this.emit("room", { room: this.#room, before, message });
    switch (message.type) {
      case "resumed":
        this.#resumed(message);
        break;
      case "presence":
        if (message.action === "leave") this.#forget(message.clientId);
        else if (this.#room.mode === "p2p") this.#mesh.meet(message.clientId);
        break;
      case "lobby":
        this.emit("lobby", message);
        break;
      case "muted":
        for (const source of message.sources) this.setMuted(source, true);
        this.emit("muted", message);
        break;
      case "role":
        // Of what one may show now, the server knows nothing: what one might not show it has let go of.
        if (this.#room.grants === before.grants) break;
        this.#said = "[]";
        this.#sendTracks();
        this.#sfu?.renegotiate();
        break;
      case "draining":
        this.emit("draining", message);
        break;
      case "chat":
        this.emit("chat", message);
        break;
      case "webrtc":
        if (message.from === "sfu") this.#sfu?.receive(message);
        else if (this.#room.mode === "p2p" || this.#mesh.clientIds.includes(message.from)) this.#mesh.receive(message);
        break;
      case "tracks":
        this.#subscribe();
        break;
      case "mode":
        if (message.mode === "sfu") this.#enterSfu();
        break;
      case "media":
        this.#sfu?.media(message);
        break;
      case "encodings":
        this.#sfu?.encodings(message);
        break;
      case "quality":
        this.emit("quality", message);
        break;
      case "stats":
        this.emit("stats", message);
        break;
      case "subscription":
        this.emit("subscription", message);
        break;
      case "error":
        // A track may go while one says how it is shown.
        if (message.request === "subscription" && message.code === "unknown_track") break;
        if (!this.#sfu?.refuse(message)) this.emit("error", message);
        break;
      default:
    }
  }

  #begin() {
    this.#tearDown();
    this.#said = "[]";
    this.#aborter = new AbortController();
    const { iceServers, mode } = this.#room;
    const mesh = new Mesh({
      send: (message) => this.#signaling.send(message),
      iceServers,
      RTCPeerConnection: this.#RTCPeerConnection,
    });
    this.#mesh = mesh;
    for (const [source, track] of this.#local) mesh.setLocal(source, track);
    mesh.on("track", ({ clientId, source, ...arrival }) =>
      this.#incoming.arrive(`${clientId}:${source}`, "p2p", arrival),
    );
    mesh.on("gone", ({ clientId, source }) => this.#incoming.depart(`${clientId}:${source}`, "p2p"));
    mesh.on("state", (state) => this.#peerState(state));
    this.#sendTracks();
    if (mode === "sfu") this.#enterSfu();
  }

  /**
   * Media has gone on meanwhile, and what was missed follows. Where it does not, the room may be another one now.
   *
   * @param {Resumed} message
   */
  #resumed({ missed, media }) {
    if (missed !== null) return;
    const { clientId, mode, participants } = this.#room;
    const others = participants.filter(({ id }) => id !== clientId);
    if (mode === "p2p") {
      // Descriptions between the participants may be among what is gone: only a new start brings both sides together.
      if (others.length > 0 || this.#mesh.clientIds.length > 0) this.#signaling.rejoin();
      return;
    }
    const here = new Set(others.map(({ id }) => id));
    for (const id of this.#mesh.clientIds) if (!here.has(id)) this.#forget(id);
    this.#enterSfu();
    this.#subscribe();
    this.#sfu?.sendAll();
    if (media) this.#sfu?.media(media);
  }

  #enterSfu() {
    if (this.#sfu) return;
    const sfu = new SfuConnection({
      send: (message) => this.#signaling.send(message),
      away: () => this.#signaling.away,
      iceServers: this.#room.iceServers,
      RTCPeerConnection: this.#RTCPeerConnection,
      clock: this.#clock,
      random: this.#random,
      codecs: this.#codecs,
      data: this.#withData,
    });
    this.#sfu = sfu;
    sfu.on("track", ({ trackId, ...arrival }) => void this.#sfuTrack(trackId, arrival));
    sfu.on("gone", ({ trackId }) => {
      this.#views.gone(trackId);
      this.#incoming.depart(trackId, "sfu");
    });
    sfu.on("state", (state) => this.emit("media", state));
    sfu.on("data", (message) => this.emit("data", message));
    for (const [source, track] of this.#local) sfu.setLocal(source, track);
    this.#subscribe();
    // Somebody met a moment ago has nothing to hand over.
    const playing = new Set(this.#incoming.trackIds().map((trackId) => parse(trackId).clientId));
    for (const clientId of this.#mesh.clientIds) if (!playing.has(clientId)) this.#mesh.part(clientId);
    this.#handoverLimit = this.#clock.setTimeout(() => this.#mesh.close(), HANDOVER_LIMIT_MS);
  }

  #subscribe() {
    this.#sfu?.setRemote(this.#room.tracks.filter(({ clientId }) => clientId !== this.#room.clientId));
    this.#handOver();
  }

  /**
   * @param {string} trackId
   * @param {import("./incoming.js").Arrival} arrival
   */
  async #sfuTrack(trackId, arrival) {
    const { signal } = this.#aborter;
    this.#incoming.arrive(trackId, "sfu", arrival);
    this.#views.arrived(trackId);
    try {
      await this.#firstFrame(arrival.receiver, this.#clock, signal);
    } catch (error) {
      // The connection went before the first frame: its `gone` event says so.
      if (this.#incoming.get(trackId).sfu === arrival) throw error;
      return;
    }
    if (signal.aborted) return;
    this.#incoming.live(trackId, arrival);
    this.#handOver();
  }

  /** Lets go of the direct connections to those whose media now comes by way of the server. */
  #handOver() {
    if (!this.#sfu) return;
    for (const clientId of this.#mesh.clientIds) {
      if (this.#parting.has(clientId) || !this.#isHandedOver(clientId)) continue;
      const part = () => this.#mesh.part(clientId);
      this.#parting.set(clientId, this.#clock.setTimeout(part, PEER_GRACE_MS));
    }
  }

  /** @param {string} clientId */
  #isHandedOver(clientId) {
    const tracks = this.#room.tracks.filter((track) => track.clientId === clientId);
    if (!tracks.some((track) => track.sfu)) return false;
    return this.#mesh
      .receivers()
      .filter((received) => received.clientId === clientId)
      .every(({ source }) => {
        const track = trackOf(this.#room, clientId, source);
        return !track || track.muted || this.#incoming.get(track.id).sfuLive;
      });
  }

  /** @param {{clientId: string, state: RTCPeerConnectionState}} change */
  #peerState({ clientId, state }) {
    // The other side was done earlier: what it sent directly has ended.
    if (this.#sfu && (state === "failed" || state === "closed" || state === "disconnected"))
      this.#mesh.part(clientId);
    else this.emit("peer", { clientId, state });
  }

  /** @param {string} clientId */
  #forget(clientId) {
    this.#clock.clearTimeout(this.#parting.get(clientId));
    this.#parting.delete(clientId);
    this.#mesh.part(clientId);
    this.#subscribe();
  }

  #sendTracks() {
    if (!this.#room.clientId) return;
    const tracks = [...this.#local]
      .filter(([source, track]) => track || source === "microphone" || source === "camera")
      .filter(([source]) => mayPublish(this.#room, source))
      .map(([source]) => ({ source, muted: this.isMuted(source) }));
    const said = JSON.stringify(tracks);
    if (said !== this.#said && this.#signaling.send({ type: "tracks", tracks })) this.#said = said;
  }

  #tearDown() {
    this.#aborter.abort();
    this.#clock.clearTimeout(this.#handoverLimit);
    for (const timer of this.#parting.values()) this.#clock.clearTimeout(timer);
    this.#parting.clear();
    this.#mesh.close();
    this.#sfu?.close();
    this.#sfu = null;
  }

  #measure() {
    /** @type {Map<string, number>} */
    const levels = new Map();
    if (this.#room.clientId && !this.isMuted("microphone")) levels.set(this.#room.clientId, this.#localLevel());
    for (const { trackId, arrival } of this.#incoming.playing()) {
      const { clientId, source } = parse(trackId);
      if (source === "microphone") levels.set(clientId, levelOf(arrival.receiver));
    }
    const speaking = this.#speakers.update(levels, this.#clock.now());
    // Not everybody is heard here: of a large room the server forwards the loudest.
    for (const { clientId, trackId } of this.#room.mode === "sfu" ? this.#room.speakers : []) {
      const track = this.#room.tracks.find(({ id }) => id === trackId);
      if (clientId !== this.#room.clientId && track && !track.muted) speaking.add(clientId);
    }
    const changed = speaking.size !== this.#speaking.size || [...speaking].some((id) => !this.#speaking.has(id));
    this.#speaking = speaking;
    if (changed) this.emit("speaking", speaking);
    this.#levelTimer = this.#clock.setTimeout(() => this.#measure(), LEVELS_EVERY_MS);
  }
}

/**
 * @param {string} trackId
 * @returns {{clientId: string, source: Source}}
 */
function parse(trackId) {
  const at = trackId.lastIndexOf(":");
  return { clientId: trackId.slice(0, at), source: /** @type {Source} */ (trackId.slice(at + 1)) };
}
