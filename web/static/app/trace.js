/**
 * One join as a trace of its own (W3C Trace Context): what the server does for it, from the renewal of the token to the
 * first frame, is found under one id.
 */
export class Trace {
  #id = hex(16);
  #now;
  #began;

  /** @param {() => number} [now] milliseconds */
  constructor(now = () => performance.now()) {
    this.#now = now;
    this.#began = now();
  }

  /** @returns {string} for the header, or the parameter, `traceparent`; each one is of a request of its own */
  parent() {
    return `00-${this.#id}-${hex(8)}-01`;
  }

  /** @returns {string} for the parameter `baggage`: what this client is, and how long ago the person wanted to join */
  baggage() {
    return `chatter.client=web,chatter.elapsed_ms=${Math.round(this.#now() - this.#began)}`;
  }
}

/** @param {number} bytes */
function hex(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
