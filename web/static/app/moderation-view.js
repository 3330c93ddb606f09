import { knocking, mayModerate } from "../chatter/moderation.js";
import { announce } from "./announcer.js";
import { shown } from "./names.js";
import { RoomControls } from "./room-controls.js";
import { knock, toast } from "./toasts.js";
import { WaitingList } from "./waiting-list.js";

/** @import { Call } from "../chatter/call.js" */
/** @import { Moderation, Role, ServerMessage, Source } from "../chatter/messages.js" */
/** @import { Room } from "../chatter/room.js" */

/** @type {Record<Role, string>} */
const NOW = {
  owner: "This is your room now.",
  moderator: "You are a moderator now: you can let people in, mute and remove them.",
  speaker: "You can speak now: switch your microphone or camera on.",
  listener: "You are a listener now: you can watch, listen and chat.",
  guest: "You are a guest now.",
};

/** @type {Record<Source, string>} */
const MUTED = {
  microphone: "muted you. Switch your microphone on again to speak.",
  camera: "turned your camera off.",
  screen: "stopped your screen share.",
  "screen-audio": "stopped your screen share.",
};

/** What one sees of moderating: as a moderator, and as somebody about whom was decided. */
export class ModerationView {
  #call;
  #waiting;
  #controls;
  /** @type {Map<string, () => void>} by client id, takes the toast of a knock away */
  #knocks = new Map();

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
    const moderate = (/** @type {Moderation} */ decision) => this.moderate(decision);
    this.#waiting = new WaitingList(moderate);
    this.#controls = new RoomControls(moderate);
    call.on("muted", ({ sources, by }) => {
      const name = by && call.room.participants.find(({ id }) => id === by)?.displayName;
      const [source] = sources;
      if (source) this.#say(`${name ? shown(name) : "A moderator"} ${MUTED[source]}`);
    });
    // A switch that was refused goes back.
    call.on("error", ({ request }) => {
      if (request === "moderate") this.#controls.show(call.room);
    });
  }

  /** @param {Moderation} decision */
  moderate(decision) {
    if (this.#call.moderate(decision)) return;
    toast("That was not done: there is no connection now.");
    this.#controls.show(this.#call.room);
  }

  /**
   * @param {Room} room
   * @param {Room} before
   * @param {ServerMessage} message
   */
  show(room, before, message) {
    this.#waiting.show(room.waiting);
    this.#controls.show(room);
    const here = new Set(room.waiting.map(({ id }) => id));
    for (const [id, close] of this.#knocks) {
      if (here.has(id)) continue;
      close();
      this.#knocks.delete(id);
    }
    for (const { id, displayName } of knocking(before, room)) {
      const text = `${shown(displayName)} wants to come in`;
      announce(`${text}. See the list of people.`);
      this.#knocks.set(
        id,
        knock(text, () => this.moderate({ action: "admit", clientId: id })),
      );
    }
    if (message.type === "role" && message.clientId === room.clientId && room.role !== before.role)
      this.#say(NOW[room.role]);
    if (message.type === "room" && room.policy.locked !== before.policy.locked)
      this.#say(room.policy.locked ? "The room is locked: nobody new comes in." : "The room is open again.");
    if (message.type === "room" && mayModerate(room) && room.policy.lobby !== before.policy.lobby)
      this.#say(room.policy.lobby ? "Who comes now waits to be let in." : "Who comes now need not wait.");
  }

  /** @param {string} text */
  #say(text) {
    toast(text);
    announce(text);
  }
}
