import { byId, element } from "./element.js";
import { explain, milliseconds, percent, rate, summary } from "./explain.js";
import { shown } from "./names.js";

/** @import { Call } from "../chatter/call.js" */
/** @import { Quality, Stats, Subscription, Track } from "../chatter/messages.js" */
/** @import { TrackStats } from "../chatter/stats.js" */

const EVERY_MS = 2000;

/** @type {Record<string, string>} */
const SOURCES = { camera: "camera", microphone: "microphone", screen: "screen", "screen-audio": "screen’s sound" };

/** How the call goes, what one gets of whom, and why. */
export class StatsPanel {
  #call;
  #body = byId("stats-body", HTMLElement);
  #toggle = byId("stats-toggle", HTMLButtonElement);
  /** @type {Map<string, Quality>} by client id */
  #qualities = new Map();
  /** @type {Map<string, Subscription>} by track id */
  #subscriptions = new Map();
  /** @type {Stats | null} */
  #stats = null;
  /** @type {any} */
  #timer = null;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
    call.on("quality", ({ participants }) => {
      for (const quality of participants) this.#qualities.set(quality.clientId, quality);
      this.#showGrade();
    });
    call.on("subscription", (subscription) => this.#subscriptions.set(subscription.trackId, subscription));
    call.on("stats", (stats) => void (this.#stats = stats));
    call.on("room", ({ message }) => {
      if (message.type === "welcome") this.#forget();
      if (message.type === "presence" && message.action === "leave") this.#qualities.delete(message.clientId);
    });
    this.#showGrade();
  }

  /** @param {boolean} open */
  setOpen(open) {
    clearTimeout(this.#timer);
    if (open) void this.#refresh();
  }

  close() {
    clearTimeout(this.#timer);
  }

  #forget() {
    this.#qualities.clear();
    this.#subscriptions.clear();
    this.#stats = null;
    this.#showGrade();
  }

  async #refresh() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#refresh(), EVERY_MS);
    this.#call.askStats();
    this.#show(await this.#call.stats());
  }

  #showGrade() {
    const grade = this.#qualities.get(this.#call.room.clientId)?.grade;
    this.#toggle.dataset.grade = grade ?? "";
    const label = grade ? `Connection: ${grade}` : "Connection";
    this.#toggle.setAttribute("aria-label", label);
    this.#toggle.title = `${label} (i)`;
  }

  /** @param {TrackStats[]} received */
  #show(received) {
    const { clientId, mode, participants, tracks } = this.#call.room;
    const own = this.#qualities.get(clientId);
    const me = this.#stats?.participants.find((participant) => participant.clientId === clientId);
    const overview = element(
      "section",
      { class: "stats-own", "data-testid": "stats-own" },
      grade(own),
      element("p", {}, summary(own, mode === "p2p")),
      figures({
        "Round trip": milliseconds(me?.currentRoundTripTime),
        "Carries down": rate(me?.availableOutgoingBitrate),
      }),
    );
    const people = participants
      .filter(({ id }) => id !== clientId)
      .map(({ id, displayName }) =>
        element(
          "section",
          { class: "stats-person", "data-client-id": id },
          element("header", {}, element("h3", {}, shown(displayName)), grade(this.#qualities.get(id))),
          ...tracks.filter((track) => track.clientId === id).map((track) => this.#track(track, shown(displayName), received)),
        ),
      );
    this.#body.replaceChildren(overview, ...people);
  }

  /**
   * @param {Track} track
   * @param {string} name
   * @param {TrackStats[]} all
   */
  #track(track, name, all) {
    const received = all.find(({ clientId, source }) => clientId === track.clientId && source === track.source);
    const consumer = this.#stats?.consumers.find(({ trackId }) => trackId === track.id);
    const producer = this.#stats?.producers.find(({ trackId }) => trackId === track.id);
    const subscription = this.#subscriptions.get(track.id);
    const why = explain({ name, muted: track.muted, received, consumer, subscription });
    const row = element(
      "div",
      { class: "stats-track", "data-testid": "stats-track", "data-track-id": track.id },
      element("h4", {}, SOURCES[track.source] ?? track.source),
      element("p", { class: "stats-why" }, why),
    );
    if (track.muted) return row;
    const picture = track.kind === "video" && received && received.width > 0;
    const layer = subscription && [subscription.rid && `“${subscription.rid}”`, `T${subscription.temporal}`, `S${subscription.spatial}`];
    row.append(
      figures({
        ...(picture && { Picture: `${received.width} × ${received.height}, ${Math.round(received.framesPerSecond)} fps` }),
        ...(producer && { Codec: producer.codec }),
        ...(layer && { Layer: layer.filter(Boolean).join(" ") }),
        ...(consumer && { Bitrate: rate(consumer.bitrate) }),
        ...(consumer && { "Lost to you": percent(consumer.fractionLost) }),
        ...(producer && { "Lost before": percent(producer.fractionLost) }),
        ...(consumer && { "Round trip": milliseconds(consumer.roundTripTime) }),
        ...(picture && { Freezes: `${received.freezeCount} (${received.totalFreezesDuration.toFixed(1)} s)` }),
        Way: received?.path === "p2p" ? "direct" : "server",
      }),
    );
    return row;
  }
}

/** @param {Quality | undefined} quality */
function grade(quality) {
  if (!quality) return element("span", { class: "grade" }, "not known");
  return element("span", { class: `grade ${quality.grade}` }, `${quality.grade} · ${quality.score}`);
}

/** @param {Record<string, string>} values by name */
function figures(values) {
  const items = Object.entries(values).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value)),
  );
  return element("dl", { class: "figures" }, ...items);
}
