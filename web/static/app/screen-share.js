import { Emitter } from "../chatter/emitter.js";
import { deviceProblem } from "./words.js";

/** @import { Words } from "./words.js" */

/**
 * @typedef {object} ScreenShareEvents
 * @property {{video: MediaStreamTrack | null, audio: MediaStreamTrack | null}} change
 * @property {Words} problem
 */

/**
 * One's own screen, as shown to others.
 *
 * @extends {Emitter<ScreenShareEvents>}
 */
export class ScreenShare extends Emitter {
  /** @type {MediaStream | null} */
  #stream = null;

  get isOn() {
    return this.#stream !== null;
  }

  async start() {
    if (this.#stream) return;
    if (!navigator.mediaDevices?.getDisplayMedia) {
      this.emit("problem", deviceProblem("screen", "NotSupportedError"));
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({
        video: { frameRate: { ideal: 15, max: 30 } },
        audio: true,
      });
      this.#stream = stream;
      const [video] = stream.getVideoTracks();
      // The browser has a button of its own to stop it.
      video.addEventListener("ended", () => this.stop());
      this.emit("change", { video, audio: stream.getAudioTracks()[0] ?? null });
    } catch (error) {
      const name = error instanceof Error ? error.name : String(error);
      this.emit("problem", deviceProblem("screen", name));
    }
  }

  stop() {
    const stream = this.#stream;
    if (!stream) return;
    this.#stream = null;
    for (const track of stream.getTracks()) track.stop();
    this.emit("change", { video: null, audio: null });
  }
}
