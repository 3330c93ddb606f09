import { reconnectDelay } from "./backoff.js";
import { systemClock } from "./clock.js";
import { Emitter } from "./emitter.js";
import { Outgoing } from "./outgoing.js";

/** @import { Clock } from "./clock.js" */
/** @import { ClientMessage, Resume, ServerMessage } from "./messages.js" */

// A network that swallows packets closes no socket: silence has to be noticed.
const PING_AFTER_MS = 10_000;
const SILENCE_MS = 20_000;
const CONNECT_TIMEOUT_MS = 10_000;
// A connection that lasted so long was a good one: the next loss starts counting at 0.
const STABLE_MS = 10_000;
// A server that restarts knows no rooms until an account comes back; guests keep asking for about a minute.
const ATTEMPTS_WHILE_MISSING = 40;
// The close of a connection that is given up in order to resume it: 1000 would be a goodbye.
const GIVE_UP = 4000;
// A short break that nobody else notices is not worth a count-down.
const QUIET_ATTEMPTS = 4;
// The server's close codes, after which there is nothing to resume (docs/protocol.md), and "message too big".
const FIRST_FINAL = 4400;
const TOO_BIG = 1009;

/**
 * @typedef {{code: string, message: string}} Refusal
 * @typedef {"connecting" | "open" | "waiting" | "closed"} SignalingState
 *
 * @typedef {object} SignalingEvents
 * @property {{state: SignalingState, attempt: number, retryInMs: number | null}} state
 * @property {ServerMessage} message
 * @property {Refusal} refused the end: the reason says what to do
 */

/**
 * What follows the close of a WebSocket.
 *
 * @param {object} close
 * @param {number} close.closeCode
 * @param {boolean} close.welcomed this client has been in the room before
 * @param {boolean} close.refreshed a fresh token has just been tried
 * @param {number} close.attempt
 * @param {string} [close.code] of the error that came before
 * @returns {"retry" | "rejoin" | "refresh" | "stop"} rejoin: at once
 */
export function afterClose({ closeCode, welcomed, refreshed, attempt, code }) {
  switch (closeCode) {
    case 4400:
    case 4403:
    case 4411:
    case 4413:
    case 4423:
      return "stop";
    case 4410:
      // The room ended, and not the server: to come back is for people to decide.
      return code === "room_closed" ? "stop" : "retry";
    case 4401:
      return refreshed ? "stop" : "refresh";
    case 4404:
    case 4409:
      // Back after a loss, the room may not be open again yet, or may still count our own lost connection.
      return welcomed && attempt < ATTEMPTS_WHILE_MISSING ? "retry" : "stop";
    case 4412:
      return "rejoin";
    default:
      return "retry";
  }
}

/**
 * The WebSocket of one participant: opens, notices silence, and comes back by itself: as the same participant while the
 * server keeps its place, and then as a new one.
 *
 * @extends {Emitter<SignalingEvents>}
 */
export class Signaling extends Emitter {
  /** @type {(refused: string | null) => Promise<string>} */
  #url;
  /** @type {typeof WebSocket} */
  #WebSocket;
  /** @type {Clock} */
  #clock;
  #random;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Refusal | null} */
  #refusal = null;
  /** @type {any} */
  #timer = null;
  #address = "";
  /** @type {Resume | null} what to come back with as the same participant */
  #resume = null;
  #resuming = false;
  #seq = 0;
  #outgoing = new Outgoing();
  #attempt = 0;
  #welcomed = false;
  #refreshed = false;
  #welcomedAt = 0;
  #heardAt = 0;
  #closed = true;

  /**
   * @param {object} options
   * @param {(refused: string | null) => Promise<string>} options.url gives the address for each try; the argument is
   *   the code of the refusal when the token has to be a fresh one
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {Clock} [options.clock]
   * @param {() => number} [options.random]
   */
  constructor({ url, WebSocket = globalThis.WebSocket, clock = systemClock, random = Math.random }) {
    super();
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#clock = clock;
    this.#random = random;
  }

  open() {
    if (!this.#closed) return;
    this.#closed = false;
    this.#connect(null);
  }

  /** Leaves for good. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#resume = null;
    this.#drop(1000);
    this.emit("state", { state: "closed", attempt: this.#attempt, retryInMs: null });
  }

  /** Tries at once instead of at the end of the wait, e.g. because the network is back. */
  retryNow() {
    if (this.#closed || this.#socket || this.#timer === null) return;
    this.#connect(null);
  }

  /** Whether the connection is broken and may be resumed. */
  get away() {
    return this.#resume !== null && this.#welcomedAt === 0;
  }

  /** Leaves and comes back at once as a new participant. */
  rejoin() {
    if (this.#closed) return;
    this.#resume = null;
    this.#welcomedAt = 0;
    this.#drop(1000);
    void this.#connect(null);
  }

  /**
   * @param {ClientMessage} message
   * @returns {boolean} whether there was a connection to send it on, or is about to be
   */
  send(message) {
    const ready = this.#welcomedAt > 0 && this.#socket?.readyState === 1;
    if (!ready && !this.#resume) return false;
    const text = this.#outgoing.add(message, ready);
    if (text === null) return false;
    if (ready) this.#socket?.send(text);
    return true;
  }

  /** @param {string | null} refused */
  async #connect(refused) {
    this.#drop();
    this.emit("state", { state: "connecting", attempt: this.#attempt, retryInMs: null });
    this.#resuming = this.#resume !== null;
    if (!this.#resuming) {
      // A timer in place tells retryNow that a try is under way, and bounds the wait for the address.
      try {
        this.#address = await this.#url(refused);
      } catch {
        // No address, e.g. since the token cannot be refreshed while the server is away.
        if (!this.#closed) this.#wait();
        return;
      }
      if (this.#closed || this.#socket) return;
    }
    const socket = new this.#WebSocket(this.#target());
    this.#socket = socket;
    this.#refusal = null;
    this.#timer = this.#clock.setTimeout(() => this.#lost(socket, 1006), CONNECT_TIMEOUT_MS);
    socket.onmessage = ({ data }) => this.#heard(socket, data);
    socket.onclose = ({ code }) => this.#lost(socket, code);
  }

  /** @returns {string} */
  #target() {
    if (!this.#resume) return this.#address;
    const url = new URL(this.#address);
    url.searchParams.set("resume", this.#resume.token);
    url.searchParams.set("after", String(this.#seq));
    return url.href;
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} data
   */
  #heard(socket, data) {
    if (socket !== this.#socket) return;
    this.#heardAt = this.#clock.now();
    /** @type {ServerMessage} */
    const message = JSON.parse(String(data));
    if (message.seq !== undefined) this.#seq = message.seq;
    if (message.type === "lobby") {
      this.#resume = message.resume ?? null;
      this.#opened(socket, []);
    } else if (message.type === "welcome") {
      this.#resume = message.resume ?? null;
      this.#opened(socket, this.#outgoing.restart());
    } else if (message.type === "resumed") {
      this.#resume = message.resume;
      this.#opened(socket, this.#outgoing.resume(message.received));
    } else if (message.type === "error") {
      this.#refusal = { code: message.code, message: message.message };
      // Before the welcome it is the reason of the close that follows, and is told then.
      if (!this.#welcomedAt) return;
    }
    this.emit("message", message);
  }

  /**
   * @param {WebSocket} socket
   * @param {readonly string[]} waiting to be sent first
   */
  #opened(socket, waiting) {
    this.#welcomed = true;
    this.#refreshed = false;
    this.#welcomedAt = this.#heardAt;
    this.#clock.clearTimeout(this.#timer);
    this.#watch(socket);
    for (const text of waiting) socket.send(text);
    this.emit("state", { state: "open", attempt: this.#attempt, retryInMs: null });
  }

  /** @param {WebSocket} socket */
  #watch(socket) {
    this.#timer = this.#clock.setTimeout(() => {
      const silence = this.#clock.now() - this.#heardAt;
      if (silence >= SILENCE_MS) return this.#lost(socket, 1006);
      if (silence >= PING_AFTER_MS - 1) this.send({ type: "ping" });
      this.#watch(socket);
    }, PING_AFTER_MS);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} closeCode
   */
  #lost(socket, closeCode) {
    if (socket !== this.#socket) return;
    const refusal = this.#refusal;
    if (this.#welcomedAt && this.#clock.now() - this.#welcomedAt >= STABLE_MS) this.#attempt = 0;
    this.#welcomedAt = 0;
    const resuming = this.#resuming;
    if (closeCode >= FIRST_FINAL || closeCode === TOO_BIG) this.#resume = null;
    this.#drop();
    const next = afterClose({
      closeCode,
      welcomed: this.#welcomed,
      refreshed: this.#refreshed,
      attempt: this.#attempt,
      code: refusal?.code,
    });
    if (next === "rejoin" && resuming) return void this.#connect(null);
    if (next === "retry" || next === "rejoin") return this.#wait();
    if (next === "refresh") {
      this.#refreshed = true;
      return void this.#connect(refusal?.code ?? "token_invalid");
    }
    this.#closed = true;
    this.emit("state", { state: "closed", attempt: this.#attempt, retryInMs: null });
    this.emit("refused", refusal ?? { code: String(closeCode), message: "The server refused the connection." });
  }

  #wait() {
    const retryInMs = reconnectDelay(this.#attempt, this.#random());
    const quiet = this.#resume && this.#attempt < QUIET_ATTEMPTS;
    this.#attempt += 1;
    if (quiet) this.emit("state", { state: "connecting", attempt: this.#attempt, retryInMs: null });
    else this.emit("state", { state: "waiting", attempt: this.#attempt, retryInMs });
    this.#timer = this.#clock.setTimeout(() => void this.#connect(null), retryInMs);
  }

  /** @param {number} [code] */
  #drop(code) {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    const socket = this.#socket;
    this.#socket = null;
    // What it still says is not heard: it is no longer the socket.
    socket?.close(code ?? (this.#resume ? GIVE_UP : 1000));
  }
}
