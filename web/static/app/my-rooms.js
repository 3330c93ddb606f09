import { confirmed } from "./confirm.js";
import { byId, element, icon } from "./element.js";

/** @import { KeptRoom, Rooms } from "../chatter/rooms.js" */

/** The rooms that one owns or moderates. */
export class MyRooms {
  #rooms;
  #complain;
  #list = byId("my-rooms-list", HTMLUListElement);
  #more = byId("my-rooms-more", HTMLButtonElement);
  /** @type {string | null} */
  #next = null;

  /**
   * @param {Rooms} rooms
   * @param {(text: string) => void} complain
   */
  constructor(rooms, complain) {
    this.#rooms = rooms;
    this.#complain = complain;
    this.#more.addEventListener("click", () => void this.#attempt(() => this.#load(this.#next)));
  }

  /** Shows them as they are now. */
  async show() {
    await this.#attempt(() => this.#load(null));
  }

  hide() {
    byId("my-rooms", HTMLElement).hidden = true;
    this.#list.replaceChildren();
  }

  /** @param {string | null} cursor */
  async #load(cursor) {
    const { rooms, next } = await this.#rooms.list(cursor);
    const rows = rooms.map((room) => this.#row(room));
    if (cursor) this.#list.append(...rows);
    else this.#list.replaceChildren(...rows);
    this.#next = next;
    this.#more.hidden = !next;
    byId("my-rooms", HTMLElement).hidden = this.#list.children.length === 0;
  }

  /** @param {() => Promise<void>} work */
  async #attempt(work) {
    this.#complain("");
    try {
      await work();
    } catch (error) {
      this.#complain(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {KeptRoom} room */
  #row({ roomId, name, participants, locked, role }) {
    const called = name || roomId;
    const state = [
      ...(name ? [roomId] : []),
      participants ? `${participants} in it now` : "nobody in it",
      ...(locked ? ["locked"] : []),
      ...(role === "moderator" ? ["you moderate"] : []),
    ];
    const link = element(
      "a",
      { href: `/r/${encodeURIComponent(roomId)}` },
      icon(locked ? "lock" : "door"),
      element(
        "span",
        { class: "room-words" },
        element("span", { class: name ? "room-name" : "room-name code" }, called),
        element("span", { class: "room-state" }, state.join(" · ")),
      ),
    );
    const row = element("li", { "data-testid": "my-room", "data-room-id": roomId }, link);
    if (participants)
      row.append(
        this.#button(row, "leave", `End the call in ${called}`, "end-room", () => this.#rooms.end(roomId), {
          title: `End the call in ${called}?`,
          text: "Everybody leaves. The room stays, and can be used again.",
          yes: "End for all",
        }),
      );
    if (role === "owner")
      row.append(
        this.#button(row, "bin", `Delete ${called}`, "delete-room", () => this.#rooms.delete(roomId), {
          title: `Delete ${called}?`,
          text: "Its link stops working and its chat is gone. Who is in it leaves.",
          yes: "Delete",
        }),
      );
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {string} symbol
   * @param {string} label
   * @param {string} testId
   * @param {() => Promise<void>} act
   * @param {{title: string, text: string, yes: string}} words
   */
  #button(row, symbol, label, testId, act, words) {
    const button = element(
      "button",
      { class: "icon-button", type: "button", "aria-label": label, title: label, "data-testid": testId },
      icon(symbol),
    );
    button.addEventListener("click", async () => {
      if (!(await confirmed(words))) return;
      row.toggleAttribute("inert", true);
      await this.#attempt(async () => {
        await act();
        await this.#load(null);
        byId("create-room", HTMLButtonElement).focus();
      });
      row.toggleAttribute("inert", false);
    });
    return button;
  }
}
