import { mayDecideAbout, rolesFor } from "../chatter/moderation.js";
import { trackOf } from "../chatter/room.js";
import { confirmed } from "./confirm.js";
import { byId, element, icon } from "./element.js";
import { shown } from "./names.js";

/** @import { Moderation, Participant, Source } from "../chatter/messages.js" */
/** @import { Room } from "../chatter/room.js" */

const MARGIN = 8;

/** @type {readonly [Source, string, string][]} */
const MUTES = [
  ["microphone", "mic-off", "Mute"],
  ["camera", "camera-off", "Turn off camera"],
  ["screen", "screen-off", "Stop screen share"],
];

const ROLES = {
  moderator: { symbol: "shield", text: "Make moderator" },
  speaker: { symbol: "mic", text: "Let speak" },
  listener: { symbol: "speaker", text: "Only listen" },
};

/** What a moderator may decide about one person; there is one of it, for whoever it was opened on. */
export class PersonMenu {
  #root = byId("person-menu", HTMLElement);
  #moderate;
  #clientId = "";

  /**
   * @param {(decision: Moderation) => void} moderate
   * @param {(clientId: string) => void} onClose the focus goes back to that person
   */
  constructor(moderate, onClose) {
    this.#moderate = moderate;
    // The menu's keys are not those of the call.
    this.#root.addEventListener("keydown", (event) => {
      event.stopPropagation();
      this.#key(event);
    });
    this.#root.addEventListener("toggle", (event) => {
      if (!(event instanceof ToggleEvent) || event.newState !== "closed" || !this.#clientId) return;
      const clientId = this.#clientId;
      this.#clientId = "";
      if (document.activeElement === document.body || this.#root.contains(document.activeElement)) onClose(clientId);
    });
  }

  /**
   * A button that opens the menu, where one may decide about that person.
   *
   * @param {Room} room
   * @param {Participant} participant
   * @returns {HTMLButtonElement | null}
   */
  button(room, participant) {
    if (!mayDecideAbout(room, participant)) return null;
    const name = shown(participant.displayName);
    const button = element(
      "button",
      {
        class: "round plain",
        type: "button",
        "aria-haspopup": "menu",
        "aria-label": `Decide about ${name}`,
        title: "More",
        "data-testid": "person-menu-button",
      },
      icon("more"),
    );
    button.addEventListener("click", () => this.#open(button, room, participant));
    return button;
  }

  /** @param {Room} room as it is now: who has left is not decided about any more */
  show(room) {
    const participant = room.participants.find(({ id }) => id === this.#clientId);
    if (this.#clientId && !(participant && mayDecideAbout(room, participant))) this.#root.hidePopover();
  }

  /**
   * @param {HTMLElement} button
   * @param {Room} room
   * @param {Participant} participant
   */
  #open(button, room, participant) {
    const { id, displayName } = participant;
    const name = shown(displayName);
    const items = MUTES.filter(([source]) => trackOf(room, id, source)?.muted === false).map(([source, symbol, text]) =>
      this.#item(symbol, text, `mute-${source}`, () => {
        this.#moderate({ action: "mute", clientId: id, source });
        if (source === "screen") this.#moderate({ action: "mute", clientId: id, source: "screen-audio" });
      }),
    );
    for (const role of rolesFor(room, participant))
      items.push(
        this.#item(ROLES[role].symbol, ROLES[role].text, `make-${role}`, () =>
          this.#moderate({ action: "role", clientId: id, role }),
        ),
      );
    const remove = this.#item("leave", "Remove from the call", "remove-person", async () => {
      const words = {
        title: `Remove ${name}?`,
        text: "They leave the call, and cannot come back while it goes on.",
        yes: "Remove",
      };
      if (await confirmed(words)) this.#moderate({ action: "remove", clientId: id });
    });
    remove.classList.add("danger");
    items.push(remove);
    this.#root.replaceChildren(...items);
    this.#root.setAttribute("aria-label", name);
    this.#root.showPopover();
    this.#clientId = id;
    const box = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.#root;
    const below = box.bottom + height + MARGIN <= innerHeight;
    this.#root.style.left = `${Math.max(MARGIN, Math.min(box.right - width, innerWidth - width - MARGIN))}px`;
    this.#root.style.top = `${Math.max(MARGIN, below ? box.bottom : box.top - height)}px`;
    items[0].focus();
  }

  /**
   * @param {string} symbol
   * @param {string} text
   * @param {string} testId
   * @param {() => void} act
   */
  #item(symbol, text, testId, act) {
    const item = element(
      "button",
      { type: "button", role: "menuitem", tabindex: "-1", "data-testid": testId },
      icon(symbol),
      text,
    );
    item.addEventListener("click", () => {
      this.#root.hidePopover();
      act();
    });
    return item;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const items = /** @type {HTMLElement[]} */ ([...this.#root.children]);
    const at = items.findIndex((item) => item === document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      items.at(next % items.length)?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      this.#root.hidePopover();
    }
  }
}
