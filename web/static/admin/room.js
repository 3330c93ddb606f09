import { byId, element } from "../app/element.js";
import { setAvatar } from "../app/names.js";
import { sparkline } from "./chart.js";
import { bitrate, count, milliseconds, percent } from "./format.js";
import { keyed } from "./keyed.js";
import { showQuality } from "./rooms.js";

/** @import { Participant, Room, Subscription, Track } from "./types.js" */

const KEPT = 60;

const CONNECTION = {
  "": "direct media",
  new: "nothing has come yet",
  checking: "ICE done, DTLS awaited",
  handshaking: "DTLS is under way",
  connected: "connected",
};

/** The chosen room: everybody in it, with what they send and get. */
export class RoomDetail {
  #people = byId("people", HTMLUListElement);
  #onRemove;
  /** @type {Map<string, {bitrate: number[], loss: number[]}>} what the rows were like while the page is open */
  #past = new Map();
  #roomId = "";

  /** @param {(participant: Participant) => void} onRemove */
  constructor(onRemove) {
    this.#onRemove = onRemove;
  }

  /**
   * @param {Room | null} room
   * @param {string | null} chosen
   */
  show(room, chosen) {
    byId("room-title", HTMLElement).textContent = chosen ? `Room ${chosen}` : "Room";
    byId("close-room", HTMLButtonElement).hidden = !room;
    const empty = byId("room-empty", HTMLElement);
    empty.hidden = Boolean(room?.participants.length);
    empty.textContent = chosen ? "Nobody is in this room any more." : "Choose a room to see who is in it.";
    if (chosen !== this.#roomId) this.#past.clear();
    this.#roomId = chosen ?? "";
    const names = new Map((room?.participants ?? []).map(({ id, name }) => [id, name]));
    keyed(this.#people, room?.participants ?? [], {
      key: ({ id }) => id,
      make: (person) => this.#make(person),
      update: (card, person) => this.#update(card, person, names),
    });
    const drops = Object.entries(room?.drops ?? {}).sort(([, a], [, b]) => b - a);
    const host = byId("room-drops", HTMLElement);
    host.hidden = drops.length === 0;
    host.textContent = `Not sent: ${drops.map(([reason, n]) => `${reason.replaceAll("_", " ")} ${count(n)}`).join(", ")}`;
  }

  /** @param {Participant} person */
  #make(person) {
    const remove = element("button", { type: "button", class: "button quiet danger", "data-testid": "remove" }, "Remove");
    remove.addEventListener("click", () => this.#onRemove(person));
    return element(
      "li",
      { class: "person", "data-testid": "admin-person" },
      element(
        "div",
        { class: "person-head" },
        element("span", { class: "avatar small" }),
        element("div", { class: "person-name" }, element("strong", {}), element("span", { class: "dim" })),
        element("span", {}),
        remove,
      ),
      element("p", { class: "cause" }),
      element("ul", { class: "streams" }),
    );
  }

  /**
   * @param {Element} card
   * @param {Participant} person
   * @param {Map<string, string>} names
   */
  #update(card, person, names) {
    const [head, cause, streams] = card.children;
    const [avatar, name, pill] = head.children;
    setAvatar(/** @type {HTMLElement} */ (avatar), person.name);
    name.children[0].textContent = person.name;
    const facts = [
      CONNECTION[/** @type {keyof typeof CONNECTION} */ (person.connection)] ?? person.connection,
      person.roundTripTime === null ? "" : milliseconds(person.roundTripTime),
      person.estimate === null ? "" : `${bitrate(person.estimate)} go through`,
      person.address,
      person.userId === null ? "guest" : `account ${person.userId}`,
    ];
    name.children[1].textContent = facts.filter(Boolean).join(" · ");
    showQuality(pill, person.quality);
    cause.textContent = person.quality.cause;
    const rows = [
      ...person.tracks.map((track) => this.#track(track)),
      ...person.subscriptions.map((line) => this.#subscription(person.id, line, names)),
    ];
    keyed(streams, rows, {
      key: ({ key }) => key,
      make: () =>
        element("li", { class: "stream" }, ...[1, 2, 3, 4, 5].map(() => element("span", {}))),
      update: (row, { direction, label, facts: text, quality, past }) => {
        const [arrow, title, lines, figures, grade] = row.children;
        arrow.textContent = direction;
        title.textContent = label;
        lines.replaceChildren(sparkline(past.bitrate, "accent"), sparkline(past.loss, "warn", 0.05));
        figures.textContent = text;
        showQuality(grade, quality);
        grade.title = quality.cause;
      },
    });
  }

  /** @param {Track} track */
  #track(track) {
    return {
      key: `sends ${track.id}`,
      direction: "↑",
      label: `${track.source}${track.muted ? " (off)" : ""}`,
      facts: `${bitrate(track.bitrate)} · loss ${percent(track.loss)} · jitter ${milliseconds(track.jitter)} · ${track.codec} to ${track.subscriptions}`,
      quality: track.quality,
      past: this.#remember(`sends ${track.id}`, track),
    };
  }

  /**
   * @param {string} participant
   * @param {Subscription} line
   * @param {Map<string, string>} names
   */
  #subscription(participant, line, names) {
    const [owner, source] = line.track.split(":");
    const rtt = line.roundTripTime === null ? "" : ` · ${milliseconds(line.roundTripTime)}`;
    const layers = line.kind === "video" && line.spatialLayer !== null ? ` · layer ${line.spatialLayer}/${line.temporalLayer}` : "";
    const freezes = line.freezes ? ` · ${line.freezes} freezes` : "";
    return {
      key: `gets ${participant} ${line.track}`,
      direction: "↓",
      label: `${names.get(owner) ?? owner}’s ${source}${line.paused ? " (paused)" : ""}`,
      facts: `${bitrate(line.bitrate)} · loss ${percent(line.loss)}${rtt}${layers}${freezes}`,
      quality: line.quality,
      past: this.#remember(`gets ${participant} ${line.track}`, line),
    };
  }

  /**
   * @param {string} key
   * @param {{bitrate: number, loss: number}} now
   */
  #remember(key, now) {
    const past = this.#past.get(key) ?? { bitrate: [], loss: [] };
    past.bitrate = [...past.bitrate, now.bitrate].slice(-KEPT);
    past.loss = [...past.loss, now.loss].slice(-KEPT);
    this.#past.set(key, past);
    return past;
  }
}
