import { byId } from "./element.js";
import { roomIdOf } from "./room-code.js";
import { ApiError, authenticate } from "./session.js";

const mode = document.body.dataset.mode === "register" ? "register" : "login";
const form = byId("signin-form", HTMLFormElement);
const username = byId("username", HTMLInputElement);
const password = byId("password", HTMLInputElement);
const notice = byId("notice", HTMLParagraphElement);
const show = byId("show-password", HTMLButtonElement);
const submit = /** @type {HTMLButtonElement} */ (form.querySelector("button[type=submit]"));

/** @returns {string} where to go afterwards: only a page of this site */
function destination() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  const address = new URL(wanted, location.origin);
  return address.origin === location.origin ? address.pathname + address.search : "/";
}

/**
 * @param {HTMLInputElement} input
 * @param {string} text
 */
function complain(input, text) {
  byId(`${input.id}-error`, HTMLParagraphElement).textContent = text;
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

for (const input of [username, password]) input.addEventListener("input", () => complain(input, ""));

show.addEventListener("click", () => {
  const visible = password.type === "password";
  password.type = visible ? "text" : "password";
  show.textContent = visible ? "Hide" : "Show";
  show.setAttribute("aria-pressed", String(visible));
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  notice.hidden = true;
  const name = username.value.trim();
  complain(username, name ? "" : "Type your user name.");
  complain(password, password.value ? "" : "Type your password.");
  const missing = [username, password].find((input) => input.hasAttribute("aria-invalid"));
  if (missing) return missing.focus();
  submit.disabled = true;
  try {
    await authenticate(mode, name, password.value);
    location.assign(destination());
  } catch (error) {
    explain(error);
  } finally {
    submit.disabled = false;
  }
});

/** @param {unknown} error */
function explain(error) {
  if (error instanceof ApiError && error.status === 409) {
    complain(username, "That user name is taken. Choose another, or sign in if it is yours.");
    username.focus();
    return;
  }
  // The server's sentences about a field begin with its name.
  const [, field, rest] = /^"(username|password)" (.+)$/.exec(error instanceof Error ? error.message : "") ?? [];
  if (field) {
    const input = field === "username" ? username : password;
    complain(input, `The ${field === "username" ? "user name" : field} ${rest}`);
    input.focus();
    return;
  }
  notice.textContent =
    error instanceof ApiError && error.status === 401
      ? "That user name and password do not go together. Check both and try again."
      : error instanceof Error
        ? error.message
        : String(error);
  notice.hidden = false;
  password.focus();
}

const other = byId("other-mode", HTMLAnchorElement);
other.search = location.search;
const roomId = roomIdOf(location.origin + destination());
if (roomId) {
  byId("guest-link", HTMLAnchorElement).href = `/r/${roomId}`;
  byId("guest-foot", HTMLParagraphElement).hidden = false;
}
username.focus();
