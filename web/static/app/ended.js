import { byId, element, icon } from "./element.js";

/**
 * The last page of a call: what happened and where to go from here.
 *
 * @param {object} page
 * @param {string} page.title
 * @param {string} page.text
 * @param {string} page.symbol
 * @param {readonly ("retry" | "rejoin" | "signin" | "home" | "guest")[]} page.offer
 * @param {() => void} page.onGuest forgets the account
 */
export function showEnded({ title, text, symbol, offer, onGuest }) {
  for (const id of ["preview", "call"]) byId(id, HTMLElement).hidden = true;
  byId("ended", HTMLElement).hidden = false;
  byId("ended-icon", HTMLElement).replaceChildren(icon(symbol));
  byId("ended-title", HTMLElement).textContent = title;
  byId("ended-text", HTMLElement).textContent = text;
  const here = location.pathname;
  const made = offer.map((what, index) => {
    const style = index === 0 ? "button primary large" : "button large";
    switch (what) {
      case "home":
        return element("a", { class: style, href: "/" }, "Home");
      case "signin":
        return element("a", { class: style, href: `/signin?next=${encodeURIComponent(here)}` }, "Sign in");
      default: {
        const words = { retry: "Try again", rejoin: "Join again", guest: "Go on as a guest" };
        const button = element("button", { class: style, type: "button", "data-testid": what }, words[what]);
        button.addEventListener("click", () => {
          if (what === "guest") onGuest();
          location.assign(here);
        });
        return button;
      }
    }
  });
  byId("ended-actions", HTMLElement).replaceChildren(...made);
  byId("ended-title", HTMLElement).focus();
}
