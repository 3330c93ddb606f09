import { Rooms } from "../chatter/rooms.js";
import { byId, element, icon } from "./element.js";
import { MyRooms } from "./my-rooms.js";
import { setAvatar } from "./names.js";
import { NewRoomForm } from "./new-room-form.js";
import { ago, forgetRooms, recentRooms } from "./recent-rooms.js";
import { roomIdOf } from "./room-code.js";
import { ApiError, accessToken, account, ask, makeRoom, signOut } from "./session.js";

const notice = byId("notice", HTMLParagraphElement);
const create = byId("create-room", HTMLButtonElement);
const code = byId("room-code", HTMLInputElement);
const codeError = byId("room-code-error", HTMLParagraphElement);

const rooms = new Rooms(ask);
const myRooms = new MyRooms(rooms, complain);
const newRoom = new NewRoomForm(rooms, (roomId) => location.assign(`/r/${roomId}`));
byId("set-up-room", HTMLButtonElement).addEventListener("click", () => newRoom.open());

/** @param {string} text */
function complain(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

function showAccount() {
  const known = account();
  for (const part of document.querySelectorAll(".signed-in-only")) part.toggleAttribute("hidden", !known);
  for (const part of document.querySelectorAll(".signed-out-only")) part.toggleAttribute("hidden", Boolean(known));
  if (!known) return myRooms.hide();
  setAvatar(byId("account-avatar", HTMLElement), known.username);
  byId("account-name", HTMLElement).textContent = known.username;
}

function showRecent() {
  const visits = recentRooms();
  byId("recent", HTMLElement).hidden = visits.length === 0;
  byId("recent-list", HTMLUListElement).replaceChildren(
    ...visits.map(({ roomId, at }) =>
      element(
        "li",
        {},
        element(
          "a",
          { href: `/r/${encodeURIComponent(roomId)}` },
          icon("clock"),
          element("span", { class: "code" }, roomId),
          element("span", { class: "when" }, ago(at, Date.now())),
        ),
      ),
    ),
  );
}

create.addEventListener("click", async () => {
  complain("");
  if (!account()) {
    location.assign(`/signin?next=${encodeURIComponent("/?new=1")}`);
    return;
  }
  create.disabled = true;
  try {
    location.assign(`/r/${await makeRoom()}`);
  } catch (error) {
    complain(error instanceof ApiError ? error.message : String(error));
    showAccount();
  } finally {
    create.disabled = false;
  }
});

byId("join-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const roomId = roomIdOf(code.value);
  code.setAttribute("aria-invalid", String(!roomId));
  codeError.textContent = roomId
    ? ""
    : code.value.trim()
      ? "That is neither a room’s code nor a link to one. A code looks like a1b2c3d4."
      : "Type the code of a room, or paste its link.";
  if (roomId) location.assign(`/r/${roomId}`);
  else code.focus();
});

code.addEventListener("input", () => {
  code.removeAttribute("aria-invalid");
  codeError.textContent = "";
});

byId("sign-out", HTMLButtonElement).addEventListener("click", async () => {
  try {
    await signOut();
  } catch {
    complain("You are signed out here, but the server could not be told. Sign out again when it is back.");
  }
  showAccount();
});

byId("forget-recent", HTMLButtonElement).addEventListener("click", () => {
  forgetRooms();
  showRecent();
  code.focus();
});

showAccount();
showRecent();
if (account()) {
  try {
    if (!(await accessToken())) complain("Your session has ended. Sign in again to open rooms.");
  } catch (error) {
    complain(error instanceof ApiError ? error.message : String(error));
  }
  showAccount();
  if (new URLSearchParams(location.search).has("new") && account()) {
    history.replaceState(null, "", "/");
    create.click();
  } else if (account()) await myRooms.show();
}
