import { byId, element, icon } from "./element.js";
import { setAvatar, shown } from "./names.js";

/** @import { Moderation, Waiting } from "../chatter/messages.js" */

/** Who waits to be let in, with what a moderator may answer. */
export class WaitingList {
  #root = byId("waiting", HTMLElement);
  #list = byId("waiting-list", HTMLUListElement);
  #all = byId("admit-all", HTMLButtonElement);
  #moderate;
  /** @type {Map<string, HTMLLIElement>} rows are kept, and with them the focus */
  #rows = new Map();

  /** @param {(decision: Moderation) => void} moderate */
  constructor(moderate) {
    this.#moderate = moderate;
    this.#all.addEventListener("click", () => {
      for (const clientId of this.#rows.keys()) moderate({ action: "admit", clientId });
    });
  }

  /** @param {readonly Waiting[]} waiting */
  show(waiting) {
    const focused = this.#root.contains(document.activeElement);
    const here = new Set(waiting.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (here.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    for (const person of waiting) {
      if (!this.#rows.has(person.id)) {
        const row = this.#row(person.id);
        this.#rows.set(person.id, row);
        this.#list.append(row);
      }
      this.#name(person);
    }
    this.#all.hidden = waiting.length < 2;
    this.#root.hidden = waiting.length === 0;
    byId("waiting-count", HTMLElement).textContent = String(waiting.length);
    const badge = byId("waiting-badge", HTMLElement);
    badge.hidden = waiting.length === 0;
    badge.textContent = String(waiting.length);
    if (focused && !this.#root.contains(document.activeElement))
      (this.#list.querySelector("button") ?? byId("people-close", HTMLButtonElement)).focus();
  }

  /** @param {string} clientId */
  #row(clientId) {
    const admit = element("button", { class: "button small primary", type: "button", "data-testid": "admit" }, "Admit");
    const deny = element("button", { class: "round plain", type: "button", "data-testid": "deny" }, icon("close"));
    admit.addEventListener("click", () => this.#moderate({ action: "admit", clientId }));
    deny.addEventListener("click", () => this.#moderate({ action: "deny", clientId }));
    return element(
      "li",
      { class: "person", "data-testid": "waiting-person", "data-client-id": clientId },
      element("span", { class: "avatar", "aria-hidden": "true" }),
      element("span", { class: "name" }),
      admit,
      deny,
    );
  }

  /** @param {Waiting} person */
  #name({ id, displayName }) {
    const row = this.#rows.get(id);
    const name = shown(displayName);
    const label = row?.querySelector(".name");
    if (!row || !label || label.textContent === name) return;
    label.textContent = name;
    setAvatar(/** @type {HTMLElement} */ (row.querySelector(".avatar")), name);
    const [admit, deny] = row.querySelectorAll("button");
    admit.setAttribute("aria-label", `Admit ${name}`);
    deny.setAttribute("aria-label", `Do not let ${name} in`);
    deny.title = "Do not let in";
  }
}
