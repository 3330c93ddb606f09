import { byId, element } from "./element.js";

const KEPT_MS = 8000;

/**
 * Tells screen readers what others see.
 *
 * @param {string} text
 */
export function announce(text) {
  const line = element("div", {}, text);
  byId("announcer", HTMLElement).append(line);
  setTimeout(() => line.remove(), KEPT_MS);
}
