import { byId, element } from "../app/element.js";
import { bitrate } from "./format.js";
import { keyed } from "./keyed.js";

/** @import { Quality, RoomRow } from "./types.js" */

const WORDS = { good: "Good", fair: "Fair", poor: "Poor", bad: "Bad" };

/**
 * @param {Element} pill
 * @param {Quality} quality
 */
export function showQuality(pill, quality) {
  pill.className = `pill ${quality.grade}`;
  pill.textContent = WORDS[quality.grade];
}

/** The list of rooms. */
export class Rooms {
  #list = byId("rooms", HTMLUListElement);
  #onChoose;

  /** @param {(roomId: string) => void} onChoose */
  constructor(onChoose) {
    this.#onChoose = onChoose;
  }

  /**
   * @param {readonly RoomRow[]} rooms
   * @param {number} total
   * @param {string | null} chosen
   */
  show(rooms, total, chosen) {
    byId("rooms-empty", HTMLElement).hidden = rooms.length > 0;
    const more = total > rooms.length ? `${rooms.length} of ${total}, the most troubled` : String(total || "");
    byId("rooms-count", HTMLElement).textContent = more;
    keyed(this.#list, rooms, {
      key: ({ id }) => id,
      make: (room) => this.#make(room),
      update: (row, room) => {
        const [button] = row.children;
        button.setAttribute("aria-current", String(room.id === chosen));
        const [name, people, rate, pill, cause] = button.children;
        name.textContent = room.id;
        const path = room.mode === "sfu" ? `${room.tracks} tracks, sent ${room.subscriptions} times` : "direct";
        people.textContent = `${room.participants} ${room.participants === 1 ? "person" : "people"} · ${path}`;
        rate.textContent = room.mode === "sfu" ? `↓ ${bitrate(room.bitrateReceived)} ↑ ${bitrate(room.bitrateSent)}` : "";
        showQuality(pill, room.quality);
        cause.textContent = room.quality.cause;
      },
    });
  }

  /** @param {RoomRow} room */
  #make(room) {
    const button = element(
      "button",
      { type: "button", class: "room-row", "data-testid": "admin-room" },
      element("span", { class: "code" }),
      element("span", { class: "dim" }),
      element("span", { class: "dim rate" }),
      element("span", {}),
      element("span", { class: "cause" }),
    );
    button.addEventListener("click", () => this.#onChoose(room.id));
    return element("li", {}, button);
  }
}
