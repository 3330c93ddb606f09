import { byId, element } from "./element.js";
import { ago } from "./recent-rooms.js";
import { ApiError, account, ask, forgetAccount } from "./session.js";

/**
 * @typedef {{id: string, deviceId: string | null, device: string | null, address: string | null,
 *   lastSeen: string, current: boolean}} Session
 */

const notice = byId("notice", HTMLParagraphElement);
const said = byId("said", HTMLParagraphElement);
const devices = byId("devices", HTMLUListElement);
const current = byId("current-password", HTMLInputElement);
const fresh = byId("new-password", HTMLInputElement);
const confirming = byId("delete-password", HTMLInputElement);

/**
 * @param {HTMLInputElement} input
 * @param {string} text
 */
function complain(input, text) {
  byId(`${input.id}-error`, HTMLParagraphElement).textContent = text;
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

/** @param {string} text */
function tell(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

/** Goes to the sign-in page: nobody is signed in here any more. */
function leave() {
  forgetAccount();
  location.assign(`/signin?next=${encodeURIComponent("/account")}`);
}

/**
 * Does something that the server may refuse.
 *
 * @param {() => Promise<void>} work
 * @param {HTMLInputElement} [field] that a refusal of a password is about
 */
async function attempt(work, field) {
  tell("");
  try {
    await work();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return leave();
    const text = error instanceof Error ? error.message : String(error);
    if (field && error instanceof ApiError && (error.status === 403 || error.status === 400)) {
      const input = error.code === "wrong_password" ? field : fresh;
      complain(input, text.replace(/^"newPassword"/, "The new password"));
      input.focus();
      return;
    }
    tell(text);
  }
}

/** @param {Session} session */
function row(session) {
  const name = session.device ?? session.deviceId ?? "Unknown device";
  const seen = session.current ? "This device" : `Last seen ${ago(Date.parse(session.lastSeen), Date.now())}`;
  const text = element(
    "div",
    {},
    element("strong", {}, name),
    element("span", {}, session.address ? `${seen} · ${session.address}` : seen),
  );
  const item = element("li", { "data-testid": session.current ? "session-current" : "session" }, text);
  if (!session.current) {
    const end = element("button", { class: "button", type: "button", "aria-label": `Sign out ${name}` }, "Sign out");
    end.addEventListener("click", () => {
      end.disabled = true;
      attempt(async () => {
        await ask("DELETE", `/auth/sessions/${encodeURIComponent(session.id)}`);
        said.textContent = `${name} is signed out.`;
      }).finally(show);
    });
    item.append(end);
  }
  return item;
}

/** Shows the devices as they are now. */
async function show() {
  await attempt(async () => {
    /** @type {Session[]} */
    const sessions = await ask("GET", "/auth/sessions");
    sessions.sort((one, other) => Number(other.current) - Number(one.current));
    devices.replaceChildren(...sessions.map(row));
    byId("end-others", HTMLButtonElement).disabled = sessions.length < 2;
  });
}

byId("end-others", HTMLButtonElement).addEventListener("click", () => {
  attempt(async () => {
    await ask("DELETE", "/auth/sessions?keepCurrent=true");
    said.textContent = "All other devices are signed out.";
  }).finally(show);
});

byId("end-all", HTMLButtonElement).addEventListener("click", () => {
  attempt(async () => {
    await ask("DELETE", "/auth/sessions");
    leave();
  });
});

byId("password-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  complain(current, current.value ? "" : "Type your current password.");
  complain(fresh, fresh.value ? "" : "Type a new password.");
  const missing = [current, fresh].find((input) => !input.value);
  if (missing) return missing.focus();
  attempt(async () => {
    await ask("POST", "/auth/password", { currentPassword: current.value, newPassword: fresh.value });
    current.value = fresh.value = "";
    tell("Your password is changed, and all other devices are signed out.");
    devices.querySelectorAll("[data-testid=session]").forEach((each) => each.remove());
  }, current);
});

byId("delete-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  complain(confirming, confirming.value ? "" : "Type your password.");
  if (!confirming.value) return confirming.focus();
  attempt(async () => {
    await ask("POST", "/auth/account/delete", { password: confirming.value });
    forgetAccount();
    location.assign("/");
  }, confirming);
});

for (const input of [current, fresh, confirming]) input.addEventListener("input", () => complain(input, ""));

const known = account();
if (known) {
  byId("who", HTMLParagraphElement).textContent = known.username;
  show();
} else {
  leave();
}
