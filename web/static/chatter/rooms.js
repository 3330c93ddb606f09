/** @import { Mode, Role, RoomPolicy } from "./messages.js" */

/**
 * @typedef {"everybody" | "accounts" | "lobby"} Access who may join: whoever has the link, who has an account, whom a
 *   moderator lets in
 * @typedef {Mode | "auto"} RoomMode
 * @typedef {RoomPolicy & {roomId: string, mode: RoomMode, role: Role, participants: number, createdAt: string}} KeptRoom
 * @typedef {(method: string, path: string, body?: unknown) => Promise<any>} Ask asks the HTTP API as an account
 */

/** @type {Record<Access, Pick<RoomPolicy, "guests" | "lobby">>} */
const POLICY = {
  everybody: { guests: "allow", lobby: false },
  accounts: { guests: "deny", lobby: false },
  lobby: { guests: "allow", lobby: true },
};

/** The rooms of an account: makes, lists, ends and deletes them. */
export class Rooms {
  #ask;

  /** @param {Ask} ask */
  constructor(ask) {
    this.#ask = ask;
  }

  /**
   * @param {{name: string, access: Access, mode: RoomMode | null}} wanted `mode` null: as the server has it
   * @returns {Promise<string>} the id of the new room
   */
  async create({ name, access, mode }) {
    const body = { name: name.trim(), ...POLICY[access], ...(mode && { mode }) };
    return (await this.#ask("POST", "/rooms", body)).roomId;
  }

  /**
   * @param {string | null} [cursor] of the page before; null for the first one
   * @returns {Promise<{rooms: KeptRoom[], next: string | null}>} the newest first
   */
  async list(cursor = null) {
    const { items, nextCursor } = await this.#ask("GET", `/rooms${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`);
    return { rooms: items, next: nextCursor ?? null };
  }

  /** @param {string} roomId the call in it ends for everybody; the room stays */
  async end(roomId) {
    await this.#ask("POST", `/rooms/${encodeURIComponent(roomId)}/end`);
  }

  /** @param {string} roomId */
  async delete(roomId) {
    await this.#ask("DELETE", `/rooms/${encodeURIComponent(roomId)}`);
  }
}
