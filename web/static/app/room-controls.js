import { mayModerate } from "../chatter/moderation.js";
import { confirmed } from "./confirm.js";
import { byId } from "./element.js";

/** @import { Moderation } from "../chatter/messages.js" */
/** @import { Room } from "../chatter/room.js" */

/** What a moderator may decide about the room: its lock, its lobby, the end of the call. */
export class RoomControls {
  #root = byId("room-controls", HTMLElement);
  #lock = byId("lock-room", HTMLInputElement);
  #lobby = byId("lobby-switch", HTMLInputElement);

  /** @param {(decision: Moderation) => void} moderate */
  constructor(moderate) {
    this.#lock.addEventListener("change", () => moderate({ action: "lock", enabled: this.#lock.checked }));
    this.#lobby.addEventListener("change", () => moderate({ action: "lobby", enabled: this.#lobby.checked }));
    byId("end-call", HTMLButtonElement).addEventListener("click", async () => {
      const words = {
        title: "End the call for everybody?",
        text: "Everybody leaves. The room stays, and can be used again.",
        yes: "End for all",
      };
      if (await confirmed(words)) moderate({ action: "end" });
    });
  }

  /** @param {Room} room */
  show(room) {
    this.#root.hidden = !mayModerate(room);
    this.#lock.checked = room.policy.locked;
    this.#lobby.checked = room.policy.lobby;
  }
}
