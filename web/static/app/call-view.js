import { kindOf } from "../chatter/messages.js";
import { trackOf } from "../chatter/room.js";
import { announce } from "./announcer.js";
import { AudioOutput } from "./audio-output.js";
import { Banner } from "./banner.js";
import { CallBar } from "./call-bar.js";
import { ChatPanel } from "./chat-panel.js";
import { copiesLink } from "./copy-link.js";
import { byId } from "./element.js";
import { Grid } from "./grid.js";
import { ModerationView } from "./moderation-view.js";
import { shown } from "./names.js";
import { PeoplePanel } from "./people-panel.js";
import { prefer, preferences } from "./preferences.js";
import { StatsPanel } from "./stats-panel.js";
import { complain, toast } from "./toasts.js";
import { Viewing } from "./viewing.js";
import { trouble } from "./words.js";

/** @import { Call } from "../chatter/call.js" */
/** @import { ServerMessage, Source } from "../chatter/messages.js" */
/** @import { Room } from "../chatter/room.js" */
/** @import { LocalMedia } from "./local-media.js" */

const SMALL = 8;

/** What one sees of a call. */
export class CallView {
  #call;
  #media;
  #root = byId("call", HTMLElement);
  #grid = new Grid();
  #viewing;
  #chat;
  #people;
  #moderation;
  #bar;
  #stats;
  #banner;
  #audio;
  #roomId;
  #onName;
  /** @type {Map<string, MediaStreamTrack>} remote pictures by track id */
  #pictures = new Map();
  /** @type {ReadonlySet<string>} */
  #speaking = new Set();
  #connected = false;

  /**
   * @param {object} options
   * @param {Call} options.call
   * @param {LocalMedia} options.media
   * @param {string} options.roomId
   * @param {(displayName: string) => void} options.onName one has a new name
   * @param {() => void} options.onLeave
   */
  constructor({ call, media, roomId, onName, onLeave }) {
    this.#call = call;
    this.#media = media;
    this.#roomId = roomId;
    this.#onName = onName;
    this.#viewing = new Viewing((clientId, source, view) => call.setView(clientId, source, view));
    this.#chat = new ChatPanel((text) => call.sendChat(text));
    this.#moderation = new ModerationView(call);
    this.#people = new PeoplePanel(
      (displayName) => this.#rename(displayName),
      (decision) => this.#moderation.moderate(decision),
    );
    this.#banner = new Banner(() => call.retryNow());
    const hear = byId("hear", HTMLButtonElement);
    this.#audio = new AudioOutput({
      sinkId: preferences().speakerId,
      onBlocked: (blocked) => void (hear.hidden = !blocked),
    });
    hear.addEventListener("click", () => void this.#audio.resume());
    const speaker = byId("speaker-select", HTMLSelectElement);
    speaker.addEventListener("change", () => this.#audio.setSink(speaker.value));
    const onChat = (/** @type {boolean} */ open) => {
      this.#chat.setOpen(open);
      this.#showTitle();
    };
    this.#stats = new StatsPanel(call);
    const onStats = (/** @type {boolean} */ open) => this.#stats.setOpen(open);
    this.#bar = new CallBar({ call, media, onLeave, onChat, onStats });
    for (const id of ["copy-link", "people-copy", "invite-copy"]) copiesLink(byId(id, HTMLButtonElement), roomId);
    media.on("change", () => this.#showOwn());
    media.on("problem", ({ words }) => {
      if (words && !this.#root.hidden) complain(words);
    });
    this.#listen();
  }

  close() {
    this.#viewing.close();
    this.#audio.close();
    this.#stats.close();
    this.#banner.show("");
    this.#root.hidden = true;
  }

  #listen() {
    const call = this.#call;
    call.on("room", ({ room, before, message }) => this.#roomChanged(room, before, message));
    call.on("stream", ({ clientId, source, track }) => this.#stream(clientId, source, track));
    call.on("speaking", (speaking) => {
      this.#speaking = speaking;
      for (const { id } of call.room.participants) this.#grid.tile(id)?.setSpeaking(speaking.has(id));
      this.#people.setSpeaking(speaking);
    });
    call.on("chat", (message) => {
      const own = message.from === call.room.clientId;
      this.#chat.add(message, own);
      this.#showTitle();
      if (own || byId("chat-panel", HTMLElement).hidden === false) {
        if (!own) announce(`${shown(message.displayName)}: ${message.text}`);
        return;
      }
      toast(message.text, shown(message.displayName));
      announce(`${shown(message.displayName)} wrote: ${message.text}`);
    });
    call.on("draining", ({ url }) => {
      const text = url
        ? "This server is about to restart. You will be taken to another one, and the call goes on there."
        : "The server is about to restart. The call comes back by itself in a moment.";
      toast(text);
      announce(text);
    });
    call.on("error", ({ code, message }) => toast(trouble(code, message)));
    call.on("signaling", ({ state, retryInMs }) => {
      if (state === "open") this.#connected = true;
      if (state === "waiting") {
        const text = navigator.onLine ? "The connection is lost." : "You are offline.";
        this.#banner.countDown(text, retryInMs ?? 0, "Try now");
      } else if (state === "connecting" && this.#connected) this.#banner.show("Reconnecting…");
      else this.#banner.show("");
    });
    call.on("media", ({ state, reason }) => {
      if (state === "waiting") this.#banner.show("Picture and sound were interrupted. Connecting again…");
      else if (state === "unavailable") toast(trouble("media_unavailable", reason ?? ""));
      else if (state === "connected") this.#banner.show("");
    });
    call.on("peer", ({ clientId, state }) => {
      const name = shown(call.room.participants.find(({ id }) => id === clientId)?.displayName);
      if (state === "failed") this.#banner.show(`The direct connection to ${name} is interrupted. Trying again…`);
      else if (state === "connected") this.#banner.show("");
    });
  }

  /**
   * @param {Room} room
   * @param {Room} before
   * @param {ServerMessage} message
   */
  #roomChanged(room, before, message) {
    if (message.type === "welcome") {
      this.#root.hidden = false;
      // The lists of the preview serve on.
      byId("settings-devices", HTMLElement).append(byId("devices", HTMLElement));
      this.#chat.setLimit(room.limits.chatCharacters);
      if (!before.clientId) byId("stage", HTMLElement).focus();
    }
    if (message.type === "presence") {
      const name = shown(message.displayName || before.participants.find(({ id }) => id === message.clientId)?.displayName);
      const text = message.action === "join" ? `${name} joined` : `${name} left`;
      announce(text);
      // In a small call one is glad to see who comes; in a large one somebody comes all the time.
      if (room.participants.length <= SMALL) toast(text);
    }
    if (message.type === "profile" && message.clientId === room.clientId) this.#onName(message.displayName);
    if (message.type === "tracks" && message.action === "added")
      for (const track of message.tracks)
        if (track.source === "screen" && track.clientId !== room.clientId)
          announce(`${shown(room.participants.find(({ id }) => id === track.clientId)?.displayName)} shares a screen`);
    this.#moderation.show(room, before, message);
    this.#show(room);
  }

  /** @param {Room} room */
  #show(room) {
    const ids = room.participants.map(({ id }) => id);
    const sharing = ids.filter((id) => id !== room.clientId && this.#isShowing(room, id, "screen"));
    this.#grid.show(ids, sharing, room.clientId);
    for (const { id, displayName } of room.participants) {
      const own = id === room.clientId;
      const tile = this.#grid.tile(id);
      const name = shown(displayName);
      tile?.setName(name, own ? `${name} (you)` : name);
      tile?.setSpeaking(this.#speaking.has(id));
      const screen = this.#grid.screen(id);
      screen?.setName(name, `${name}’s screen`);
      screen?.setTrack(this.#pictures.get(`${id}:screen`) ?? null);
      screen?.setVisible(true);
      this.#viewing.watch(id, "screen", screen);
      if (own || !tile) continue;
      this.#viewing.watch(id, "camera", tile);
      const microphone = trackOf(room, id, "microphone");
      // Somebody who announces no tracks at all (a plain client) is not called muted.
      const announces = room.tracks.some(({ clientId }) => clientId === id);
      tile.setMuted(announces && (!microphone || microphone.muted));
      tile.setTrack(this.#pictures.get(`${id}:camera`) ?? null);
      tile.setVisible(this.#isShowing(room, id, "camera"));
    }
    this.#people.show(room, this.#speaking);
    this.#showOwn();
    byId("invite", HTMLElement).hidden = ids.length !== 1;
    this.#showTitle();
  }

  /**
   * @param {Room} room
   * @param {string} clientId
   * @param {Source} source
   */
  #isShowing(room, clientId, source) {
    const picture = this.#pictures.get(`${clientId}:${source}`);
    if (!picture) return false;
    const track = trackOf(room, clientId, source);
    // Who announces nothing shows as long as something comes.
    const announces = room.tracks.some((known) => known.clientId === clientId);
    return track ? !track.muted : !announces && !picture.muted;
  }

  #showOwn() {
    const { clientId } = this.#call.room;
    const tile = this.#grid.tile(clientId);
    this.#bar.show();
    tile?.setTrack(this.#media.track("camera"));
    tile?.setVisible(this.#media.isOn("camera"));
    tile?.setMuted(!this.#media.isOn("microphone"));
  }

  /**
   * @param {string} clientId
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  #stream(clientId, source, track) {
    const trackId = `${clientId}:${source}`;
    if (kindOf(source) === "audio") return this.#audio.set(trackId, track);
    if (track) {
      this.#pictures.set(trackId, track);
      track.onmute = track.onunmute = () => this.#show(this.#call.room);
    } else {
      this.#pictures.delete(trackId);
    }
    this.#show(this.#call.room);
  }

  /** @param {string} displayName */
  #rename(displayName) {
    if (this.#call.setDisplayName(displayName)) prefer({ displayName });
    else toast("Your name was not changed: there is no connection now.");
  }

  #showTitle() {
    const { unread } = this.#chat;
    document.title = `${unread ? `(${unread}) ` : ""}${this.#call.room.policy.name || this.#roomId} · Chatter`;
  }
}
