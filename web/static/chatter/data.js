import { Emitter } from "./emitter.js";

// Beyond these, what waits here is a sign that the network does not carry it. Lossy messages are of the moment.
const MAX_BUFFERED = 1_048_576;
const MAX_BUFFERED_LOSSY = 65_536;

/**
 * A message of another participant (docs/protocol.md, Data).
 *
 * @typedef {object} DataMessage
 * @property {string} from the sender's client id, stamped by the server
 * @property {string} topic empty where the sender gave none
 * @property {string | Uint8Array} payload
 *
 * @typedef {object} DataOptions
 * @property {readonly string[]} [to] client ids; without it everybody else in the room
 * @property {string} [topic]
 * @property {boolean} [lossy] rather never than late: cursors, positions
 *
 * @typedef {object} DataEvents
 * @property {DataMessage} message
 */

/**
 * @param {string | Uint8Array} payload
 * @param {DataOptions} options
 * @returns {string | Uint8Array<ArrayBuffer>} what goes onto the channel
 */
export function seal(payload, { to, topic }) {
  const fields = { ...(to && { to }), ...(topic && { topic }) };
  const header = `${Object.keys(fields).length > 0 ? JSON.stringify(fields) : ""}\n`;
  if (typeof payload === "string") return header + payload;
  const line = new TextEncoder().encode(header);
  const sealed = new Uint8Array(line.length + payload.length);
  sealed.set(line);
  sealed.set(payload, line.length);
  return sealed;
}

/**
 * @param {string | ArrayBuffer} message
 * @returns {DataMessage | null} null: not as the server writes them
 */
export function open(message) {
  const bytes = typeof message === "string" ? null : new Uint8Array(message);
  const end = bytes ? bytes.indexOf(10) : message.toString().indexOf("\n");
  if (end < 0) return null;
  try {
    const header = bytes ? new TextDecoder().decode(bytes.subarray(0, end)) : message.slice(0, end).toString();
    const { from, topic = "" } = JSON.parse(header);
    if (typeof from !== "string" || typeof topic !== "string") return null;
    return { from, topic, payload: bytes ? bytes.slice(end + 1) : String(message).slice(end + 1) };
  } catch {
    return null;
  }
}

/**
 * The two data channels of a connection to `sfu`, a reliable one and a lossy one.
 *
 * @extends {Emitter<DataEvents>}
 */
export class DataChannels extends Emitter {
  #pc;
  #reliable;
  #lossy;

  /** @param {RTCPeerConnection} pc that has made no offer yet */
  constructor(pc) {
    super();
    this.#pc = pc;
    this.#reliable = this.#create("reliable", {});
    this.#lossy = this.#create("lossy", { ordered: false, maxRetransmits: 0 });
  }

  /**
   * @param {string | Uint8Array} payload
   * @param {DataOptions} [options]
   * @returns {boolean} whether it goes out: not before the channels are open, nor where too much waits already
   * @throws {RangeError} a message of this size is never taken
   */
  send(payload, options = {}) {
    const channel = options.lossy ? this.#lossy : this.#reliable;
    if (channel.readyState !== "open") return false;
    const message = seal(payload, options);
    const size = typeof message === "string" ? new TextEncoder().encode(message).length : message.length;
    const limit = this.#pc.sctp?.maxMessageSize ?? 65_536;
    if (size > limit) throw new RangeError(`A data message has ${size} bytes, expected at most ${limit}.`);
    if (channel.bufferedAmount + size > (options.lossy ? MAX_BUFFERED_LOSSY : MAX_BUFFERED)) return false;
    // The two look alike, and TypeScript knows no overload for both.
    if (typeof message === "string") channel.send(message);
    else channel.send(message);
    return true;
  }

  /**
   * @param {string} label
   * @param {RTCDataChannelInit} init
   * @returns {RTCDataChannel}
   */
  #create(label, init) {
    const channel = this.#pc.createDataChannel(label, init);
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => {
      const message = open(data);
      if (message) this.emit("message", message);
    };
    return channel;
  }
}
