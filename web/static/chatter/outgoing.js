/** @import { ClientMessage } from "./messages.js" */

const MOST_MESSAGES = 128;
const MOST_CHARACTERS = 1_000_000;
// What a new participant may say on behalf of the one before; all else was about connections that are gone.
const LASTING = new Set(["chat", "profile"]);

/** @typedef {{number: number, type: string, text: string, sent: boolean}} Kept */

/**
 * What this client has to say, kept in case the connection breaks: then it is sent again from where the server stopped
 * to receive it. Bounded: of what was sent the oldest is let go, what waits to be sent is not.
 */
export class Outgoing {
  /** @type {Kept[]} */
  #kept = [];
  #characters = 0;
  #count = 0;

  /**
   * @param {ClientMessage} message
   * @param {boolean} sent it goes out now; otherwise it waits
   * @returns {string | null} its text; null: too much is waiting
   */
  add(message, sent) {
    const text = JSON.stringify(message);
    while (this.#kept.length >= MOST_MESSAGES || this.#characters + text.length > MOST_CHARACTERS) {
      if (!this.#kept[0]?.sent) return null;
      this.#characters -= this.#kept.shift()?.text.length ?? 0;
    }
    this.#count += 1;
    this.#characters += text.length;
    this.#kept.push({ number: this.#count, type: message.type, text, sent });
    return text;
  }

  /**
   * After a resumption.
   *
   * @param {number} received how many the server has
   * @returns {string[]} what is to be sent now
   */
  resume(received) {
    this.#keep(this.#kept.filter(({ number }) => number > received));
    for (const kept of this.#kept) kept.sent = true;
    return this.#kept.map(({ text }) => text);
  }

  /**
   * As a new participant, of whom the server has nothing.
   *
   * @returns {string[]} what is to be sent now: nothing that may have arrived before
   */
  restart() {
    const waiting = this.#kept.filter(({ type, sent }) => !sent && LASTING.has(type));
    this.#count = waiting.length;
    this.#keep(waiting.map((kept, index) => ({ ...kept, number: index + 1, sent: true })));
    return waiting.map(({ text }) => text);
  }

  /** @param {Kept[]} kept */
  #keep(kept) {
    this.#kept = kept;
    this.#characters = kept.reduce((sum, { text }) => sum + text.length, 0);
  }
}
