import { byId } from "./element.js";

/** @import { Access, RoomMode, Rooms } from "../chatter/rooms.js" */

/** What a new room is to be, asked in a dialog. */
export class NewRoomForm {
  #dialog = byId("new-room", HTMLDialogElement);
  #form = byId("new-room-form", HTMLFormElement);
  #error = byId("new-room-error", HTMLParagraphElement);

  /**
   * @param {Rooms} rooms
   * @param {(roomId: string) => void} onMade
   */
  constructor(rooms, onMade) {
    byId("new-room-cancel", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    this.#form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = new FormData(this.#form);
      const submit = byId("new-room-submit", HTMLButtonElement);
      this.#error.textContent = "";
      submit.disabled = true;
      try {
        const roomId = await rooms.create({
          name: String(said.get("name") ?? ""),
          access: /** @type {Access} */ (said.get("access")),
          mode: /** @type {RoomMode | ""} */ (said.get("mode")) || null,
        });
        onMade(roomId);
      } catch (error) {
        this.#error.textContent = error instanceof Error ? error.message : String(error);
      } finally {
        submit.disabled = false;
      }
    });
  }

  open() {
    this.#error.textContent = "";
    this.#dialog.showModal();
    byId("new-room-name", HTMLInputElement).focus();
  }
}
