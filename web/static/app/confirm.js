import { byId } from "./element.js";

/**
 * Asks before something that people in calls will notice.
 *
 * @param {{title: string, text: string, yes: string}} words
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, yes }) {
  const dialog = byId("confirm", HTMLDialogElement);
  byId("confirm-title", HTMLElement).textContent = title;
  byId("confirm-text", HTMLElement).textContent = text;
  byId("confirm-yes", HTMLButtonElement).textContent = yes;
  dialog.returnValue = "no";
  // While it asks, the keys of the page rest.
  dialog.onkeydown = (event) => event.stopPropagation();
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
  );
}
