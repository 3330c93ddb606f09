import { element, icon } from "./element.js";
import { setAvatar, shown } from "./names.js";
import { markSpeaking } from "./speaking-mark.js";

/** @import { Box } from "./layout.js" */

/** A participant's picture, or a shared screen. */
export class Tile {
  element = element("div", { class: "tile", role: "group", "data-testid": "tile" });
  #avatar = element("span", { class: "avatar", "aria-hidden": "true" });
  #name = element("span");
  #label = element("div", { class: "tile-label" }, this.#name);
  #muted = icon("mic-off");
  /** @type {HTMLVideoElement | null} */
  #video = null;
  /** @type {MediaStreamTrack | null} */
  #track = null;
  #visible = false;

  /**
   * @param {string} clientId
   * @param {"camera" | "screen"} source
   * @param {boolean} mirrored
   */
  constructor(clientId, source, mirrored) {
    this.element.dataset.clientId = clientId;
    this.element.dataset.source = source;
    this.element.classList.add(source);
    this.element.classList.toggle("mirrored", mirrored);
    this.element.append(this.#avatar, this.#label);
  }

  /**
   * @param {string} name
   * @param {string} label what is written on the tile
   */
  setName(name, label) {
    if (this.#name.textContent === label) return;
    setAvatar(this.#avatar, name);
    this.#name.textContent = label;
    this.element.setAttribute("aria-label", shown(label));
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    if (muted === this.#muted.isConnected) return;
    if (muted) this.#label.prepend(this.#muted);
    else this.#muted.remove();
    this.element.classList.toggle("muted", muted);
  }

  /** @param {boolean} speaking */
  setSpeaking(speaking) {
    markSpeaking(this.element, speaking);
  }

  /** @param {boolean} visible whether there is a picture, or else the avatar */
  setVisible(visible) {
    this.#visible = visible;
    this.element.classList.toggle("has-video", visible && this.#video !== null);
    for (const video of this.#videos()) video.hidden = !visible;
  }

  /**
   * Plays a track. The picture of the one before stays until the first frame of the new one is there.
   *
   * @param {MediaStreamTrack | null} track
   */
  setTrack(track) {
    if (track === this.#track) return;
    this.#track = track;
    const playing = this.#video !== null;
    if (!track) {
      this.#video = null;
      this.#keepOnly(null);
      this.setVisible(this.#visible);
      return;
    }
    const video = element("video", { playsinline: "", disableremoteplayback: "" });
    video.muted = true;
    video.autoplay = true;
    video.srcObject = new MediaStream([track]);
    // Before the avatar, which is seen until the first frame is there, and behind the video before.
    this.#avatar.after(video);
    this.#video = video;
    this.setVisible(this.#visible);
    if (!playing) return;
    const replace = () => this.#keepOnly(video);
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(replace);
    else /** @type {HTMLVideoElement} */ (video).addEventListener("loadeddata", replace, { once: true });
  }

  /** @param {Box} box */
  place({ x, y, width, height }) {
    const { style } = this.element;
    style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    style.width = `${Math.round(width)}px`;
    style.height = `${Math.round(height)}px`;
  }

  remove() {
    this.#keepOnly(null);
    this.element.remove();
  }

  #videos() {
    return this.element.querySelectorAll("video");
  }

  /** @param {HTMLVideoElement | null} kept unless a newer one has come meanwhile, which stays behind it */
  #keepOnly(kept) {
    for (const video of this.#videos()) {
      if (video === kept || (kept && video === this.#video)) continue;
      video.srcObject = null;
      video.remove();
    }
  }
}
