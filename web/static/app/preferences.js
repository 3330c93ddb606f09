/**
 * What this browser remembers. A browser that stores nothing (private windows may) works too, and forgets.
 *
 * @typedef {object} Preferences
 * @property {string} displayName
 * @property {boolean} microphoneOn
 * @property {boolean} cameraOn
 * @property {string} microphoneId
 * @property {string} cameraId
 * @property {string} speakerId
 */

const KEY = "chatter.preferences";

/** @type {Preferences} */
const DEFAULTS = {
  displayName: "",
  microphoneOn: true,
  cameraOn: true,
  microphoneId: "",
  cameraId: "",
  speakerId: "",
};

/**
 * @param {string} key
 * @returns {any} null where nothing usable is stored
 */
export function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {unknown} value
 * @returns {boolean} whether it is stored
 */
export function remember(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** @returns {Preferences} */
export function preferences() {
  const stored = recall(KEY);
  return { ...DEFAULTS, ...(typeof stored === "object" ? stored : null) };
}

/** @param {Partial<Preferences>} change */
export function prefer(change) {
  remember(KEY, { ...preferences(), ...change });
}
