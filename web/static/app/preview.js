import { DevicePickers } from "./device-pickers.js";
import { byId, element, icon, setIcon } from "./element.js";
import { setAvatar } from "./names.js";
import { prefer, preferences } from "./preferences.js";

/** @import { LevelMeter } from "./level-meter.js" */
/** @import { LocalMedia } from "./local-media.js" */

const BARS = 16;
// Below, in decibels, the meter stays dark; speech is at -30 to -15.
const FLOOR_DB = -55;
// Of what is shown, each frame: it rises at once and falls slowly, to be read.
const FALL = 0.93;

/** The page before the call: see oneself, hear that the microphone works, give a name. */
export class Preview {
  #media;
  #meter;
  #root = byId("preview", HTMLElement);
  #video = byId("preview-video", HTMLVideoElement);
  #mute = byId("preview-mute", HTMLButtonElement);
  #camera = byId("preview-camera", HTMLButtonElement);
  #name = byId("display-name", HTMLInputElement);
  #form = byId("preview-form", HTMLFormElement);
  #bars = Array.from({ length: BARS }, () => element("i"));
  #frame = 0;
  #part = 0;

  /**
   * @param {object} options
   * @param {LocalMedia} options.media
   * @param {LevelMeter} options.meter
   * @param {string} options.username of the account, empty for a guest
   * @param {(displayName: string) => void} options.onJoin
   */
  constructor({ media, meter, username, onJoin }) {
    this.#media = media;
    this.#meter = meter;
    this.#name.value = preferences().displayName || username;
    byId("preview-account", HTMLElement).textContent = username ? `Signed in as ${username}` : "";
    byId("preview-meter", HTMLElement).append(...this.#bars);
    new DevicePickers(media);
    this.#mute.addEventListener("click", () => void media.set("microphone", !media.isOn("microphone")));
    this.#camera.addEventListener("click", () => void media.set("camera", !media.isOn("camera")));
    this.#name.addEventListener("input", () => {
      this.#complain("");
      this.#show();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const displayName = this.#name.value.trim();
      if (!displayName) {
        this.#complain("Tell the others who you are.");
        return this.#name.focus();
      }
      prefer({ displayName });
      this.setJoining(true);
      onJoin(displayName);
    });
    media.on("change", () => this.#show());
  }

  open() {
    this.#root.hidden = false;
    this.#show();
    this.#draw();
    void this.#media.start();
    if (!this.#name.value) this.#name.focus();
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.#video.srcObject = null;
    this.#root.hidden = true;
  }

  /** @param {boolean} joining */
  setJoining(joining) {
    const button = /** @type {HTMLButtonElement} */ (this.#form.querySelector("button[type=submit]"));
    button.disabled = joining;
    button.replaceChildren(element("span", {}, joining ? "Joining…" : "Join now"));
  }

  /** A moderator has to let one in. */
  setWaiting() {
    const button = /** @type {HTMLButtonElement} */ (this.#form.querySelector("button[type=submit]"));
    button.disabled = true;
    button.replaceChildren(element("span", {}, "Waiting to be let in…"));
  }

  /** @param {string} text */
  #complain(text) {
    byId("display-name-error", HTMLElement).textContent = text;
    if (text) this.#name.setAttribute("aria-invalid", "true");
    else this.#name.removeAttribute("aria-invalid");
  }

  #show() {
    const camera = this.#media.track("camera");
    const shown = this.#video.srcObject instanceof MediaStream ? this.#video.srcObject.getVideoTracks()[0] : null;
    if ((camera ?? null) !== (shown ?? null)) this.#video.srcObject = camera ? new MediaStream([camera]) : null;
    byId("preview-off", HTMLElement).hidden = this.#media.isOn("camera");
    setAvatar(byId("preview-avatar", HTMLElement), this.#name.value);
    showSwitch(this.#mute, "mic", "microphone", this.#media.isOn("microphone"));
    showSwitch(this.#camera, "camera", "camera", this.#media.isOn("camera"));
    byId("preview-meter-hint", HTMLElement).textContent = this.#media.isOn("microphone")
      ? "Say something to test"
      : "Microphone is off";
    const track = this.#media.track("microphone");
    this.#meter.setTrack(track);
    byId("preview-notices", HTMLElement).replaceChildren(
      ...this.#media.problems.map(({ title, text }) =>
        element("p", { class: "notice" }, icon("warning"), element("span", {}, element("strong", {}, title), text)),
      ),
    );
  }

  #draw() {
    const decibels = 20 * Math.log10(Math.max(this.#meter.level(), 1e-6));
    const part = Math.max(Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB)), this.#part * FALL);
    this.#part = part;
    this.#bars.forEach((bar, index) => bar.classList.toggle("lit", index < part * BARS));
    byId("preview-meter", HTMLElement).setAttribute("aria-valuenow", String(Math.round(part * 100)));
    this.#frame = requestAnimationFrame(() => this.#draw());
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} name of its icon; `<name>-off` is the other one
 * @param {string} device
 * @param {boolean} on
 * @param {string} [key] its shortcut
 */
export function showSwitch(button, name, device, on, key) {
  setIcon(button, on ? name : `${name}-off`);
  button.classList.toggle("off", !on);
  button.setAttribute("aria-pressed", String(!on));
  button.setAttribute("aria-label", `Turn off ${device}`);
  button.title = `Turn ${on ? "off" : "on"} ${device}${key ? ` (${key})` : ""}`;
}
