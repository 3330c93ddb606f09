import { reconnectDelay } from "../chatter/backoff.js";

/** What is no state within this time is a connection that is dead: the server says something every 15 s. */
const SILENCE_MS = 40_000;

/**
 * Server-sent events in a text that comes in pieces; an EventSource could not send the header with the token.
 *
 * @returns {(piece: string) => string[]} the data of the events that the piece completes
 */
export function eventReader() {
  let rest = "";
  return (piece) => {
    const events = (rest + piece).split("\n\n");
    rest = events.pop() ?? "";
    return events
      .map((event) =>
        event
          .split("\n")
          .filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).trimStart())
          .join("\n"),
      )
      .filter(Boolean);
  };
}

/**
 * The stream of states: opened again when it ends, until it is refused.
 *
 * @template State
 */
export class Stream {
  #open;
  #onState;
  #onChange;
  /** @type {AbortController | null} */
  #current = null;

  /**
   * @param {object} options
   * @param {(signal: AbortSignal) => Promise<Response>} options.open asks for the stream
   * @param {(state: State) => void} options.onState
   * @param {(change: {state: "live" | "waiting" | "refused", response: Response | null}) => void} options.onChange
   */
  constructor({ open, onState, onChange }) {
    this.#open = open;
    this.#onState = onState;
    this.#onChange = onChange;
  }

  /** Asks anew, in place of what is running: other parameters, or another account. */
  async restart() {
    this.#current?.abort();
    const current = new AbortController();
    this.#current = current;
    for (let attempt = 0; !current.signal.aborted; attempt += 1) {
      const begun = Date.now();
      const refused = await this.#follow(current);
      if (current.signal.aborted) return;
      if (refused) return this.#onChange({ state: "refused", response: refused });
      if (Date.now() - begun > SILENCE_MS) attempt = 0;
      else this.#onChange({ state: "waiting", response: null });
      await new Promise((resolve) => setTimeout(resolve, reconnectDelay(attempt, Math.random())));
    }
  }

  /**
   * @param {AbortController} current
   * @returns {Promise<Response | null>} the refusal, if it was one that asking again does not change
   */
  async #follow(current) {
    let timer;
    // A page that asks for another room aborts the whole; silence only this connection.
    const connection = new AbortController();
    const end = () => connection.abort();
    current.signal.addEventListener("abort", end);
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
    };
    try {
      watch();
      const response = await this.#open(connection.signal);
      if (!response.ok || !response.body) return response.status === 401 || response.status === 403 ? response : null;
      const read = eventReader();
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return null;
        watch();
        for (const data of read(decoder.decode(value, { stream: true }))) {
          this.#onChange({ state: "live", response });
          this.#onState(JSON.parse(data));
        }
      }
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
      current.signal.removeEventListener("abort", end);
    }
  }
}
