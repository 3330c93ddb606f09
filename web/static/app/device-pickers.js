import { byId, element } from "./element.js";
import { prefer, preferences } from "./preferences.js";

/** @import { LocalMedia } from "./local-media.js" */

const KINDS = /** @type {const} */ ({
  microphone: "audioinput",
  camera: "videoinput",
  speaker: "audiooutput",
});

/** The lists of microphones, cameras and, where the browser can choose, speakers. */
export class DevicePickers {
  #media;
  #canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;

  /** @param {LocalMedia} media */
  constructor(media) {
    this.#media = media;
    for (const device of /** @type {const} */ (["microphone", "camera"]))
      select(device).addEventListener("change", () => void media.choose(device, select(device).value));
    select("speaker").addEventListener("change", () => prefer({ speakerId: select("speaker").value }));
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.refresh());
    media.on("change", () => void this.refresh());
  }

  /** The names of devices are told only after one has been opened, so this is called again then. */
  async refresh() {
    const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    const stored = preferences();
    const chosen = {
      microphone: this.#media.track("microphone")?.getSettings().deviceId ?? stored.microphoneId,
      camera: this.#media.track("camera")?.getSettings().deviceId ?? stored.cameraId,
      speaker: stored.speakerId,
    };
    for (const device of /** @type {(keyof typeof KINDS)[]} */ (Object.keys(KINDS))) {
      const options = found.filter(({ kind, deviceId }) => kind === KINDS[device] && deviceId);
      const picker = select(device);
      picker.replaceChildren(
        ...options.map(({ deviceId, label }, index) =>
          element("option", { value: deviceId }, label || `${device[0].toUpperCase()}${device.slice(1)} ${index + 1}`),
        ),
      );
      picker.disabled = options.length === 0;
      if (options.length === 0) picker.append(element("option", { value: "" }, `No ${device} available`));
      else if (options.some(({ deviceId }) => deviceId === chosen[device])) picker.value = chosen[device];
    }
    const speakers = found.filter(({ kind }) => kind === "audiooutput").length;
    byId("speaker-field", HTMLDivElement).hidden = !this.#canChooseSpeaker || speakers === 0;
  }
}

/** @param {keyof typeof KINDS} device */
function select(device) {
  return byId(`${device}-select`, HTMLSelectElement);
}
