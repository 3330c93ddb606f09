import { byId, element } from "./element.js";
import { split } from "./links.js";
import { shown } from "./names.js";

/** @import { Chat } from "../chatter/messages.js" */

// Messages of one person within so many minutes stand under one heading.
const TOGETHER_MS = 3 * 60_000;
const KEPT = 500;

/** The chat: reads, writes, counts what has not been read. */
export class ChatPanel {
  #messages = byId("messages", HTMLDivElement);
  #input = byId("chat-input", HTMLTextAreaElement);
  #error = byId("chat-error", HTMLParagraphElement);
  #badge = byId("chat-badge", HTMLElement);
  #time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  #last = { from: "", timestamp: 0 };
  #unread = 0;
  #open = false;

  /** @param {(text: string) => boolean} send whether it could be sent */
  constructor(send) {
    const form = byId("chat-form", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#input.value.trim();
      if (!text) return;
      const sent = send(text);
      this.#error.textContent = sent ? "" : "Not sent: there is no connection now. Send it again when it is back.";
      if (sent) this.#input.value = "";
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  get unread() {
    return this.#unread;
  }

  /** @param {number} characters */
  setLimit(characters) {
    this.#input.maxLength = characters;
  }

  /** @param {boolean} open */
  setOpen(open) {
    this.#open = open;
    if (!open) return;
    this.#unread = 0;
    this.#showUnread();
    this.#messages.scrollTop = this.#messages.scrollHeight;
    this.#input.focus();
  }

  /**
   * @param {Chat} message
   * @param {boolean} own
   */
  add({ id, from, displayName, text, timestamp }, own) {
    const { scrollTop, scrollHeight, clientHeight } = this.#messages;
    const following = scrollHeight - scrollTop - clientHeight < 40;
    const item = element("div", { class: "message", "data-testid": "chat-message", "data-message-id": String(id) });
    item.classList.toggle("own", own);
    if (from !== this.#last.from || timestamp - this.#last.timestamp > TOGETHER_MS) {
      const date = new Date(timestamp);
      item.append(
        element(
          "div",
          { class: "message-head" },
          element("strong", {}, own ? "You" : shown(displayName)),
          element("time", { datetime: date.toISOString() }, this.#time.format(date)),
        ),
      );
    }
    this.#last = { from, timestamp };
    item.append(
      element(
        "p",
        {},
        ...split(text).map(({ text: piece, href }) =>
          href ? element("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, piece) : piece,
        ),
      ),
    );
    this.#messages.append(item);
    while (this.#messages.children.length > KEPT) this.#messages.firstElementChild?.remove();
    byId("chat-empty", HTMLElement).hidden = true;
    if (following || own) this.#messages.scrollTop = this.#messages.scrollHeight;
    if (!this.#open && !own) {
      this.#unread += 1;
      this.#showUnread();
    }
  }

  #showUnread() {
    this.#badge.hidden = this.#unread === 0;
    this.#badge.textContent = this.#unread > 99 ? "99+" : String(this.#unread);
    const toggle = byId("chat-toggle", HTMLButtonElement);
    toggle.setAttribute("aria-label", this.#unread ? `Chat, ${this.#unread} unread` : "Chat");
  }
}
