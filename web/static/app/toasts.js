import { byId, element } from "./element.js";

const SHOWN_MS = 5000;
// What has to be acted upon is longer, and longer there.
const PROBLEM_MS = 12_000;
const MOST = 3;

/**
 * A remark that goes by itself.
 *
 * @param {string} text
 * @param {string} [who]
 */
export function toast(text, who) {
  show(element("div", { class: "toast" }, ...(who ? [element("strong", {}, who)] : []), text), SHOWN_MS);
}

/** @param {{title: string, text: string}} words */
export function complain({ title, text }) {
  show(element("div", { class: "toast problem", role: "alert" }, element("strong", {}, title), text), PROBLEM_MS);
}

/**
 * Somebody is at the door.
 *
 * @param {string} text
 * @param {() => void} onAdmit
 * @returns {() => void} takes it away
 */
export function knock(text, onAdmit) {
  const button = element("button", { class: "button small primary", type: "button", "data-testid": "knock-admit" }, "Admit");
  const line = element("div", { class: "toast knock", "data-testid": "knock" }, element("span", {}, text), button);
  button.addEventListener("click", () => {
    line.remove();
    onAdmit();
  });
  show(line, PROBLEM_MS);
  return () => line.remove();
}

/**
 * @param {HTMLElement} line
 * @param {number} milliseconds
 */
function show(line, milliseconds) {
  const toasts = byId("toasts", HTMLDivElement);
  toasts.append(line);
  while (toasts.children.length > MOST) toasts.firstElementChild?.remove();
  setTimeout(() => line.remove(), milliseconds);
}
