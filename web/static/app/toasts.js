import { byId, element } from "./element.js";

const SHOWN_MS = 5000;
const MOST = 3;

/**
 * A remark that goes by itself.
 *
 * @param {string} text
 * @param {string} [who]
 */
export function toast(text, who) {
  const toasts = byId("toasts", HTMLDivElement);
  const line = element("div", { class: "toast" }, ...(who ? [element("strong", {}, who)] : []), text);
  toasts.append(line);
  while (toasts.children.length > MOST) toasts.firstElementChild?.remove();
  setTimeout(() => line.remove(), SHOWN_MS);
}
