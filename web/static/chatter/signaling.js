import { reconnectDelay } from "./backoff.js";
import { systemClock } from "./clock.js";
import { Emitter } from "./emitter.js";

/** @import { Clock } from "./clock.js" */
/** @import { ClientMessage, ServerMessage } from "./messages.js" */

// A network that swallows packets closes no socket: silence has to be noticed.
const PING_AFTER_MS = 10_000;
const SILENCE_MS = 20_000;
const CONNECT_TIMEOUT_MS = 10_000;
// A connection that lasted so long was a good one: the next loss starts counting at 0.
const STABLE_MS = 10_000;
// A server that restarts knows no rooms until an account comes back; guests keep asking for about a minute.
const ATTEMPTS_WHILE_MISSING = 12;

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
 * @returns {"retry" | "refresh" | "stop"}
 */
export function afterClose({ closeCode, welcomed, refreshed, attempt }) {
  switch (closeCode) {
    case 4400:
    case 4403:
      return "stop";
    case 4401:
      return refreshed ? "stop" : "refresh";
    case 4404:
    case 4409:
      // Back after a loss, the room may not be open again yet, or may still count our own lost connection.
      return welcomed && attempt < ATTEMPTS_WHILE_MISSING ? "retry" : "stop";
    default:
      return "retry";
  }
}

/**
 * The WebSocket of one participant: opens, notices silence, and comes back by itself.
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
    this.#drop(1000);
    this.emit("state", { state: "closed", attempt: this.#attempt, retryInMs: null });
  }

  /** Tries at once instead of at the end of the wait, e.g. because the network is back. */
  retryNow() {
    if (this.#closed || this.#socket || this.#timer === null) return;
    this.#connect(null);
  }

  /**
   * @param {ClientMessage} message
   * @returns {boolean} whether there was a connection to send it on
   */
  send(message) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** @param {string | null} refused */
  async #connect(refused) {
    this.#drop();
    this.emit("state", { state: "connecting", attempt: this.#attempt, retryInMs: null });
    let address;
    // A timer in place tells retryNow that a try is under way, and bounds the wait for the address.
    try {
      address = await this.#url(refused);
    } catch {
      // No address, e.g. since the token cannot be refreshed while the server is away.
      if (!this.#closed) this.#wait();
      return;
    }
    if (this.#closed || this.#socket) return;
    const socket = new this.#WebSocket(address);
    this.#socket = socket;
    this.#refusal = null;
    this.#timer = this.#clock.setTimeout(() => this.#lost(socket, 1006), CONNECT_TIMEOUT_MS);
    socket.onmessage = ({ data }) => this.#heard(socket, data);
    socket.onclose = ({ code }) => this.#lost(socket, code);
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
    if (message.type === "welcome") {
      this.#welcomed = true;
      this.#refreshed = false;
      this.#welcomedAt = this.#heardAt;
      this.#clock.clearTimeout(this.#timer);
      this.#watch(socket);
      this.emit("state", { state: "open", attempt: this.#attempt, retryInMs: null });
    } else if (message.type === "error") {
      this.#refusal = { code: message.code, message: message.message };
      // Before the welcome it is the reason of the close that follows, and is told then.
      if (!this.#welcomedAt) return;
    }
    this.emit("message", message);
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
    this.#drop();
    const next = afterClose({
      closeCode,
      welcomed: this.#welcomed,
      refreshed: this.#refreshed,
      attempt: this.#attempt,
    });
    if (next === "retry") return this.#wait();
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
    this.#attempt += 1;
    this.emit("state", { state: "waiting", attempt: this.#attempt, retryInMs });
    this.#timer = this.#clock.setTimeout(() => void this.#connect(null), retryInMs);
  }

  /** @param {number} [code] */
  #drop(code) {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    const socket = this.#socket;
    this.#socket = null;
    // What it still says is not heard: it is no longer the socket.
    socket?.close(code ?? 1000);
  }
}
