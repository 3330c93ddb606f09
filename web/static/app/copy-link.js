import { announce } from "./announcer.js";
import { setIcon } from "./element.js";
import { linkTo } from "./room-code.js";
import { toast } from "./toasts.js";

const CONFIRMED_MS = 2000;

/**
 * Makes a button copy the link to a room.
 *
 * @param {HTMLButtonElement} button
 * @param {string} roomId
 */
export function copiesLink(button, roomId) {
  const label = button.querySelector("span");
  const before = label?.textContent ?? "";
  button.addEventListener("click", async () => {
    const link = linkTo(roomId);
    try {
      await navigator.clipboard.writeText(link);
    } catch {
      // No clipboard on insecure addresses, or not allowed: show it to be copied by hand.
      toast(link, "Copy this link:");
      return;
    }
    setIcon(button, "check");
    if (label) label.textContent = "Link copied";
    announce("Link copied");
    setTimeout(() => {
      setIcon(button, "link");
      if (label) label.textContent = before;
    }, CONFIRMED_MS);
  });
}
