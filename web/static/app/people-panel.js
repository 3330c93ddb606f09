import { trackOf } from "../chatter/room.js";
import { byId, element, icon } from "./element.js";
import { setAvatar, shown } from "./names.js";

/** @import { Room } from "../chatter/room.js" */

/** Who is here, and under which name one is here oneself. */
export class PeoplePanel {
  #list = byId("people", HTMLUListElement);
  #form = byId("rename-form", HTMLFormElement);
  #input = byId("rename-input", HTMLInputElement);
  #ownName = "";

  /** @param {(displayName: string) => void} rename */
  constructor(rename) {
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

  focus() {
    const edit = this.#list.querySelector("button");
    (edit ?? byId("people-close", HTMLButtonElement)).focus();
  }

  /**
   * @param {Room} room
   * @param {ReadonlySet<string>} speaking
   */
  show(room, speaking) {
    const count = String(room.participants.length);
    byId("people-count", HTMLElement).textContent = count;
    byId("people-badge", HTMLElement).textContent = count;
    byId("people-toggle", HTMLElement).setAttribute("aria-label", `People, ${count} here`);
    this.#input.maxLength = room.limits.displayNameCharacters;
    const editing = document.activeElement?.closest(".person") !== null;
    const rows = room.participants.map(({ id, displayName }) => {
      const own = id === room.clientId;
      if (own) this.#ownName = displayName;
      const avatar = element("span", { class: "avatar", "aria-hidden": "true" });
      setAvatar(avatar, displayName);
      const row = element(
        "li",
        { class: "person", "data-testid": "participant", "data-client-id": id },
        avatar,
        element("span", { class: "name" }, own ? `${shown(displayName)} (you)` : shown(displayName)),
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
      row.classList.toggle("speaking", speaking.has(id));
      return row;
    });
    this.#list.replaceChildren(...rows);
    if (editing) this.focus();
  }

  /** @param {ReadonlySet<string>} speaking */
  setSpeaking(speaking) {
    for (const row of this.#list.children)
      if (row instanceof HTMLElement) row.classList.toggle("speaking", speaking.has(row.dataset.clientId ?? ""));
  }

  #edit() {
    this.#form.hidden = false;
    this.#input.value = this.#ownName;
    this.#input.select();
    this.#input.focus();
  }
}
