/**
 * The page of a room: preview, then call.
 *
 * For tests and the curious, `window.chatterCall` is the Call, with `stats()`; `/r/{roomId}?name=Ann&join=1` joins at
 * once. Stable `data-testid`s: preview-video, preview-mute-button, preview-camera-button, level-meter, preview-notice,
 * name-input, join-button, microphone-select, camera-select, speaker-select; tile (with data-client-id and data-source
 * camera or screen; class has-video, speaking, muted, pip), mute-button, camera-button, screen-button (aria-pressed),
 * participants-button, participant (data-client-id), rename-button, rename-input, rename-save, people-copy-link,
 * settings-button, copy-link, chat-button, chat-unread, chat-input, chat-send, chat-message, hear-button, connection-banner,
 * leave-button, ended, retry, rejoin, guest. For moderators: knock, knock-admit, waiting-badge, waiting-person, admit, deny,
 * admit-all, person-menu-button, mute-microphone, mute-camera, mute-screen, make-moderator, make-speaker, make-listener,
 * remove-person, lock-room, lobby-switch, end-call, confirm. Start page: create-room, room-code-input, join-room, recent-rooms, sign-out,
 * sign-in-link, register-link. Accounts: register-username, register-password, register-submit and the same with
 * signin-, continue-as-guest.
 */
import { Call } from "../chatter/call.js";
import { mayPublish } from "../chatter/room.js";
import { CallView } from "./call-view.js";
import { showEnded } from "./ended.js";
import { LevelMeter } from "./level-meter.js";
import { LocalMedia } from "./local-media.js";
import { preferences } from "./preferences.js";
import { Preview } from "./preview.js";
import { visited } from "./recent-rooms.js";
import { accessToken, account, deviceId, forgetAccount } from "./session.js";
import { Trace } from "./trace.js";
import { keepAwake } from "./wake-lock.js";
import { refusal } from "./words.js";

/** @import { Kind } from "../chatter/messages.js" */

const roomId = document.body.dataset.roomId ?? "";
const parameters = new URLSearchParams(location.search);
const media = new LocalMedia();
const meter = new LevelMeter();
let displayName = parameters.get("name")?.trim() || preferences().displayName || account()?.username || "Guest";
let ended = false;
/** @type {Trace | null} of the join that the person has just asked for */
let wish = null;

/** @param {string | null} refused */
async function address(refused) {
  const trace = wish ?? new Trace();
  wish = null;
  const known = account()?.token;
  const token = (await accessToken({ fresh: refused !== null, traceparent: trace.parent() })) ?? known;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const url = new URL(`${scheme}//${location.host}/ws/${roomId}`);
  // A token that could not be renewed is sent again, so that the server says what is wrong with it.
  if (token) url.searchParams.set("token", token);
  url.searchParams.set("displayName", displayName);
  url.searchParams.set("device", deviceId());
  url.searchParams.set("traceparent", trace.parent());
  url.searchParams.set("baggage", trace.baggage());
  return url.href;
}

/**
 * @param {Kind} kind
 * @returns {RTCRtpCodec[]}
 */
function codecs(kind) {
  return globalThis.RTCRtpReceiver?.getCapabilities?.(kind)?.codecs ?? [];
}

const call = new Call({ url: address, localLevel: () => meter.level(), codecs });
const view = new CallView({
  call,
  media,
  roomId,
  onName: (name) => void (displayName = name),
  onLeave: () => {
    end();
    showEnded({
      title: "You left the call",
      text: "The others can go on without you. Come back whenever you like.",
      symbol: "door",
      offer: ["rejoin", "home"],
      onGuest: forgetAccount,
    });
  },
});
const preview = new Preview({
  media,
  meter,
  username: account()?.username ?? "",
  onJoin: (name) => {
    displayName = name;
    join();
  },
});

/** @type {Window & {chatterCall?: Call}} */ (window).chatterCall = call;

function publish() {
  const microphone = media.track("microphone");
  meter.setTrack(microphone);
  call.setMuted("microphone", !media.isOn("microphone"));
  call.setTrack("microphone", microphone);
  call.setMuted("camera", !media.isOn("camera"));
  call.setTrack("camera", media.isOn("camera") ? media.track("camera") : null);
}

function join() {
  wish = new Trace();
  keepAwake();
  publish();
  media.on("change", publish);
  call.join();
}

function end() {
  ended = true;
  call.leave();
  view.close();
  media.stop();
  meter.close();
}

call.on("room", ({ room, before, message }) => {
  if (room.grants !== before.grants)
    for (const source of /** @type {const} */ (["microphone", "camera"]))
      if (!mayPublish(room, source) && media.isOn(source)) void media.set(source, false);
  if (message.type !== "welcome") return;
  preview.close();
  visited(roomId);
});

call.on("lobby", () => preview.setWaiting());

call.on("muted", ({ sources }) => {
  for (const source of sources)
    if (source === "microphone" || source === "camera") void media.set(source, false);
});

call.on("refused", ({ code }) => {
  if (ended) return;
  end();
  const guest = !account();
  showEnded({ ...refusal(code, guest), symbol: "warning", onGuest: forgetAccount });
});

call.on("draining", ({ endsAt, url }) => {
  if (!url) return;
  // Not everybody in the same instant.
  const wait = Math.max(0, endsAt - Date.now()) * Math.random();
  setTimeout(() => {
    if (ended) return;
    const there = new URL(`/r/${roomId}`, url);
    there.searchParams.set("name", displayName);
    there.searchParams.set("join", "1");
    location.assign(there);
  }, wait);
});

addEventListener("online", () => call.networkChanged());
// Where a browser tells of it (Network Information API): from Wi-Fi to mobile data. It tells of other things, too.
const { connection } = /** @type {{connection?: EventTarget & {type?: string}}} */ (navigator);
let network = connection?.type;
connection?.addEventListener("change", () => {
  if (connection.type !== network) call.networkChanged();
  network = connection.type;
});
addEventListener("pagehide", () => call.leave());
// Back from the browser's cache, the page is of a call that has been left.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});
for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, () => meter.resume());

if (parameters.get("join") === "1") {
  await media.start();
  join();
} else {
  preview.open();
}
