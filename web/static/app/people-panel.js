import { trackOf } from "../chatter/room.js";
import { byId, element, icon } from "./element.js";
import { setAvatar, shown } from "./names.js";
import { PersonMenu } from "./person-menu.js";
import { markSpeaking } from "./speaking-mark.js";

/** @import { Moderation, Role } from "../chatter/messages.js" */
/** @import { Room } from "../chatter/room.js" */

/** @type {Partial<Record<Role, string>>} what is worth saying of somebody */
const ROLES = { owner: "Owner", moderator: "Moderator", listener: "Listener", guest: "Guest" };

/** Who is here, and under which name one is here oneself. */
export class PeoplePanel {
  #list = byId("people", HTMLUListElement);
  #form = byId("rename-form", HTMLFormElement);
  #input = byId("rename-input", HTMLInputElement);
  #ownName = "";
  #menu;

  /**
   * @param {(displayName: string) => void} rename
   * @param {(decision: Moderation) => void} moderate
   */
  constructor(rename, moderate) {
    this.#menu = new PersonMenu(moderate, (clientId) => this.focus(clientId));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const displayName = this.#input.value.trim();
      if (displayName && displayName !== this.#ownName) rename(displayName);
      this.#form.hidden = true;
      this.focus();
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#form.hidden = true;
      this.focus();
    });
  }

  /** @param {string} [clientId] whose row it is to be, if they are there; otherwise one's own */
  focus(clientId) {
    const rows = /** @type {HTMLElement[]} */ ([...this.#list.children]);
    const row = rows.find((each) => each.dataset.clientId === clientId);
    const own = this.#list.querySelector("[data-testid=rename-button]");
    const button = row?.querySelector("button") ?? (own instanceof HTMLButtonElement ? own : null);
    (button ?? byId("people-close", HTMLButtonElement)).focus();
  }

  /**
   * @param {Room} room
   * @param {ReadonlySet<string>} speaking
   */
  show(room, speaking) {
    const count = String(room.participants.length);
    byId("people-count", HTMLElement).textContent = count;
    byId("people-badge", HTMLElement).textContent = count;
    const waiting = room.waiting.length ? `, ${room.waiting.length} waiting to come in` : "";
    byId("people-toggle", HTMLElement).setAttribute("aria-label", `People, ${count} here${waiting}`);
    this.#input.maxLength = room.limits.displayNameCharacters;
    const focused = document.activeElement?.closest("#people .person");
    const rows = room.participants.map((participant) => {
      const { id, displayName, role, bot } = participant;
      const standing = bot ? "Bot" : role && ROLES[role];
      const own = id === room.clientId;
      if (own) this.#ownName = displayName;
      const avatar = element("span", { class: "avatar", "aria-hidden": "true" });
      setAvatar(avatar, displayName);
      const row = element(
        "li",
        { class: "person", "data-testid": "participant", "data-client-id": id },
        avatar,
        element(
          "span",
          { class: "who" },
          element("span", { class: "name" }, own ? `${shown(displayName)} (you)` : shown(displayName)),
          ...(standing ? [element("span", { class: "role" }, standing)] : []),
        ),
      );
      if (own) {
        const edit = element(
          "button",
          { class: "round plain", type: "button", "aria-label": "Change your name", "data-testid": "rename-button" },
          icon("pencil"),
        );
        edit.addEventListener("click", () => this.#edit());
        row.append(edit);
      }
      const camera = trackOf(room, id, "camera");
      const microphone = trackOf(room, id, "microphone");
      const cameraOn = camera && !camera.muted;
      const microphoneOn = microphone && !microphone.muted;
      row.append(icon(cameraOn ? "camera" : "camera-off"), icon(microphoneOn ? "mic" : "mic-off"));
      row.lastElementChild?.classList.add("mic");
      row.append(
        element(
          "span",
          { class: "visually-hidden" },
          `microphone ${microphoneOn ? "on" : "off"}, camera ${cameraOn ? "on" : "off"}`,
        ),
      );
      const more = this.#menu.button(room, participant);
      if (more) row.append(more);
      markSpeaking(row, speaking.has(id));
      return row;
    });
    this.#list.replaceChildren(...rows);
    this.#menu.show(room);
    if (focused instanceof HTMLElement) this.focus(focused.dataset.clientId);
  }

  /** @param {ReadonlySet<string>} speaking */
  setSpeaking(speaking) {
    for (const row of this.#list.children)
      if (row instanceof HTMLElement) markSpeaking(row, speaking.has(row.dataset.clientId ?? ""));
  }

  #edit() {
    this.#form.hidden = false;
    this.#input.value = this.#ownName;
    this.#input.select();
    this.#input.focus();
  }
}
