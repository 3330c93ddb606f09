import { mayPublish } from "../chatter/room.js";
import { announce } from "./announcer.js";
import { byId, setIcon } from "./element.js";
import { showSwitch } from "./preview.js";
import { ScreenShare } from "./screen-share.js";
import { shortcuts } from "./shortcuts.js";
import { complain, toast } from "./toasts.js";

/** @import { Call } from "../chatter/call.js" */
/** @import { Device, LocalMedia } from "./local-media.js" */

/** @typedef {"chat" | "people" | "settings" | "stats"} Panel */

/** @type {readonly Panel[]} */
const PANELS = ["chat", "people", "settings", "stats"];

/** The controls of a call and their keys. */
export class CallBar {
  #call;
  #media;
  #onChat;
  #onStats;
  #screenShare = new ScreenShare();
  #mute = byId("mute", HTMLButtonElement);
  #camera = byId("camera", HTMLButtonElement);
  #screen = byId("screen", HTMLButtonElement);
  /** @type {Panel | null} */
  #open = null;

  /**
   * @param {object} options
   * @param {Call} options.call
   * @param {LocalMedia} options.media
   * @param {() => void} options.onLeave
   * @param {(open: boolean) => void} options.onChat
   * @param {(open: boolean) => void} options.onStats
   */
  constructor({ call, media, onLeave, onChat, onStats }) {
    this.#call = call;
    this.#media = media;
    this.#onChat = onChat;
    this.#onStats = onStats;
    this.#mute.addEventListener("click", () => this.#toggle("microphone"));
    this.#camera.addEventListener("click", () => this.#toggle("camera"));
    this.#screen.addEventListener("click", () => this.#toggleScreen());
    this.#screen.hidden = !navigator.mediaDevices?.getDisplayMedia;
    byId("leave", HTMLButtonElement).addEventListener("click", () => {
      this.#screenShare.stop();
      onLeave();
    });
    for (const panel of PANELS) {
      byId(`${panel}-toggle`, HTMLButtonElement).addEventListener("click", () => this.#togglePanel(panel));
      byId(`${panel}-close`, HTMLButtonElement).addEventListener("click", () => this.#togglePanel(null));
    }
    this.#screenShare.on("change", ({ video, audio }) => {
      call.setTrack("screen", video);
      call.setTrack("screen-audio", audio);
      announce(video ? "You are sharing your screen" : "You no longer share your screen");
      if (video) toast("Others see your screen now.");
      this.show();
    });
    this.#screenShare.on("problem", complain);
    call.on("muted", ({ sources }) => {
      if (sources.includes("screen")) this.#screenShare.stop();
    });
    shortcuts({
      m: () => this.#toggle("microphone"),
      v: () => this.#toggle("camera"),
      s: () => this.#toggleScreen(),
      c: () => this.#togglePanel("chat"),
      p: () => this.#togglePanel("people"),
      i: () => this.#togglePanel("stats"),
      Escape: () => this.#togglePanel(null),
    });
  }

  show() {
    showSwitch(this.#mute, "mic", "microphone", this.#media.isOn("microphone"), "m");
    showSwitch(this.#camera, "camera", "camera", this.#media.isOn("camera"), "v");
    const { room } = this.#call;
    this.#mute.disabled = !mayPublish(room, "microphone");
    this.#camera.disabled = !mayPublish(room, "camera");
    this.#screen.disabled = !mayPublish(room, "screen");
    if (this.#screen.disabled && this.#screenShare.isOn) this.#screenShare.stop();
    const sharing = this.#screenShare.isOn;
    setIcon(this.#screen, sharing ? "screen-off" : "screen");
    this.#screen.classList.toggle("on", sharing);
    this.#screen.setAttribute("aria-pressed", String(sharing));
    this.#screen.setAttribute("aria-label", "Share screen");
    this.#screen.title = sharing ? "Stop sharing (s)" : "Share screen (s)";
  }

  /** @param {Device} device */
  #toggle(device) {
    if (!this.#call.room.clientId || !mayPublish(this.#call.room, device)) return;
    const on = !this.#media.isOn(device);
    void this.#media.set(device, on);
    const name = device === "microphone" ? "Microphone" : "Camera";
    announce(`${name} ${on ? "on" : "off"}`);
  }

  #toggleScreen() {
    if (!this.#call.room.clientId || !mayPublish(this.#call.room, "screen")) return;
    if (this.#screenShare.isOn) this.#screenShare.stop();
    else void this.#screenShare.start();
  }

  /** @param {Panel | null} wanted */
  #togglePanel(wanted) {
    const before = this.#open;
    const next = wanted === before ? null : wanted;
    if (next === before) return;
    this.#open = next;
    for (const panel of PANELS) {
      byId(`${panel}-panel`, HTMLElement).hidden = panel !== next;
      byId(`${panel}-toggle`, HTMLElement).setAttribute("aria-expanded", String(panel === next));
    }
    this.#onChat(next === "chat");
    this.#onStats(next === "stats");
    if (next && next !== "chat") byId(`${next}-close`, HTMLElement).focus();
    if (next === null && before) byId(`${before}-toggle`, HTMLElement).focus();
  }
}
