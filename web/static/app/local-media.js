import { Emitter } from "../chatter/emitter.js";
import { prefer, preferences } from "./preferences.js";
import { deviceProblem, insecure } from "./words.js";

/** @import { Words } from "./words.js" */

/**
 * @typedef {"microphone" | "camera"} Device
 *
 * @typedef {object} LocalMediaEvents
 * @property {Device} change a device has been opened, closed, muted or lost
 * @property {{device: Device, words: Words | null}} problem null: it is over
 */

/** @type {MediaTrackConstraints} */
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
/** @type {MediaTrackConstraints} */
const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };

/**
 * The microphone and the camera of this computer: what is wanted, and what there is.
 *
 * @extends {Emitter<LocalMediaEvents>}
 */
export class LocalMedia extends Emitter {
  /** @type {Record<Device, MediaStreamTrack | null>} */
  #tracks = { microphone: null, camera: null };
  /** @type {Record<Device, boolean>} */
  #wanted;
  /** @type {Record<Device, string | null>} the names of the errors */
  #problems = { microphone: null, camera: null };
  /** @type {Promise<void>} */
  #queue = Promise.resolve();
  #stopped = false;

  constructor() {
    super();
    const { microphoneOn, cameraOn } = preferences();
    this.#wanted = { microphone: microphoneOn, camera: cameraOn };
  }

  /** @returns {boolean} whether the browser gives devices here at all */
  static get isPossible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  /**
   * @param {Device} device
   * @returns {MediaStreamTrack | null}
   */
  track(device) {
    return this.#tracks[device];
  }

  /**
   * @param {Device} device
   * @returns {boolean} whether others can hear or see it
   */
  isOn(device) {
    return this.#wanted[device] && this.#tracks[device]?.readyState === "live";
  }

  /** @returns {Words[]} what is wrong now */
  get problems() {
    if (!LocalMedia.isPossible) return [insecure];
    const { microphone, camera } = this.#problems;
    if (microphone && microphone === camera) return [deviceProblem("both", camera)];
    return [
      ...(microphone ? [deviceProblem("microphone", microphone)] : []),
      ...(camera ? [deviceProblem("camera", camera)] : []),
    ];
  }

  /** Opens what is wanted, with one question to the user. The microphone is opened even when muted. */
  start() {
    return this.#enqueue(async () => {
      if (!LocalMedia.isPossible) return;
      if (this.#wanted.camera) {
        try {
          const stream = await navigator.mediaDevices.getUserMedia({
            audio: constraintsOf("microphone"),
            video: constraintsOf("camera"),
          });
          this.#adopt("microphone", stream.getAudioTracks()[0]);
          this.#adopt("camera", stream.getVideoTracks()[0]);
          return;
        } catch {
          // One of the two is missing or refused: asking for each tells which.
        }
      }
      await this.#open("microphone");
      if (this.#wanted.camera) await this.#open("camera");
    });
  }

  /**
   * Switches a device on or off. A camera that is off is closed, so that its light goes out; a microphone stays open.
   *
   * @param {Device} device
   * @param {boolean} on
   */
  set(device, on) {
    this.#wanted[device] = on;
    prefer(device === "microphone" ? { microphoneOn: on } : { cameraOn: on });
    return this.#enqueue(async () => {
      if (this.#wanted[device] !== on) return;
      if (device === "camera" && !on) this.#close("camera");
      else if (on && this.#tracks[device]?.readyState !== "live") await this.#open(device);
      const track = this.#tracks.microphone;
      if (track) track.enabled = this.#wanted.microphone;
      this.emit("change", device);
    });
  }

  /**
   * Uses another device from now on.
   *
   * @param {Device} device
   * @param {string} deviceId
   */
  choose(device, deviceId) {
    prefer(device === "microphone" ? { microphoneId: deviceId } : { cameraId: deviceId });
    return this.#enqueue(async () => {
      if (device === "camera" && !this.#wanted.camera) return;
      // Some systems let a device be opened only once, so the one before goes first.
      this.#close(device);
      await this.#open(device);
    });
  }

  stop() {
    this.#stopped = true;
    this.#close("microphone");
    this.#close("camera");
  }

  /**
   * @param {() => Promise<void>} step
   * @returns {Promise<void>}
   */
  #enqueue(step) {
    this.#queue = this.#queue.then(() => (this.#stopped ? undefined : step()));
    return this.#queue;
  }

  /** @param {Device} device */
  async #open(device) {
    if (!LocalMedia.isPossible) return this.emit("problem", { device, words: insecure });
    try {
      this.#adopt(device, await request(device, constraintsOf(device)));
    } catch (error) {
      this.#report(device, error instanceof Error ? error.name : String(error));
    }
  }

  /**
   * @param {Device} device
   * @param {MediaStreamTrack} track
   */
  #adopt(device, track) {
    if (this.#stopped) return track.stop();
    this.#close(device);
    this.#tracks[device] = track;
    if (device === "microphone") track.enabled = this.#wanted.microphone;
    track.addEventListener("ended", () => {
      if (this.#tracks[device] !== track) return;
      this.#tracks[device] = null;
      this.#report(device, "Unplugged");
    });
    this.#problems[device] = null;
    this.emit("problem", { device, words: null });
    this.emit("change", device);
  }

  /** @param {Device} device */
  #close(device) {
    const track = this.#tracks[device];
    this.#tracks[device] = null;
    track?.stop();
  }

  /**
   * @param {Device} device
   * @param {string} name of the error
   */
  #report(device, name) {
    this.#problems[device] = name;
    this.emit("problem", { device, words: deviceProblem(device, name) });
    this.emit("change", device);
  }
}

/**
 * @param {Device} device
 * @param {MediaTrackConstraints} constraints
 * @returns {Promise<MediaStreamTrack>}
 */
async function request(device, constraints) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia(
      device === "microphone" ? { audio: constraints } : { video: constraints },
    );
    return stream.getTracks()[0];
  } catch (error) {
    const { deviceId, ...others } = constraints;
    // The remembered device is not there today: any other will do.
    if (deviceId && error instanceof Error && ["OverconstrainedError", "NotFoundError"].includes(error.name))
      return request(device, others);
    throw error;
  }
}

/**
 * @param {Device} device
 * @returns {MediaTrackConstraints}
 */
function constraintsOf(device) {
  const { microphoneId, cameraId } = preferences();
  const id = device === "microphone" ? microphoneId : cameraId;
  return { ...(device === "microphone" ? AUDIO : VIDEO), ...(id && { deviceId: { exact: id } }) };
}
