/**
 * What went wrong and what to do, for people.
 *
 * @typedef {{title: string, text: string}} Words
 */

/** @typedef {"microphone" | "camera" | "both" | "screen"} Failing what did not start; both: microphone and camera */

/** @type {Record<Failing, string>} */
const DEVICE = { microphone: "microphone", camera: "camera", both: "camera and microphone", screen: "screen" };

/** @type {Words} */
export const insecure = {
  title: "Camera and microphone need a secure address",
  text: "Browsers only allow them on https:// addresses or on localhost. You can still join to watch, listen and chat.",
};

/**
 * @param {Failing} source
 * @param {string} name of the DOMException
 * @returns {Words}
 */
export function deviceProblem(source, name) {
  const device = DEVICE[source];
  const Device = device[0].toUpperCase() + device.slice(1);
  const [is, one, it, was] = source === "both" ? ["are", "them", "them", "were"] : ["is", "one", "it", "was"];
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
    case "PermissionDeniedError":
      return source === "screen"
        ? {
            title: "The screen was not shared",
            text: "Try again and choose a window or a screen. On a Mac, allow your browser under Privacy, Screen Recording.",
          }
        : {
            title: `${Device} ${is} blocked`,
            text: `Allow the ${device} for this page with the icon beside the address, then switch ${it} on again.`,
          };
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return {
        title: source === "both" ? "No camera and no microphone found" : `No ${device} found`,
        text: `Plug ${one} in, or join without ${it}: you can watch, listen and chat.`,
      };
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return {
        title: `${Device} ${is} in use`,
        text: `Another program or tab is holding the ${device}. Close it, then switch the ${device} on again.`,
      };
    case "Unplugged":
      return { title: `${Device} ${was} disconnected`, text: `Plug ${it} in again, or choose another one.` };
    case "NotSupportedError":
      return source === "screen"
        ? { title: "This browser cannot share the screen", text: "Use a browser on a computer to share yours." }
        : { title: `This browser gives no ${device}`, text: "Try a recent Chrome, Edge, Firefox or Safari." };
    default:
      return { title: `${Device} did not start`, text: `Switch the ${device} on again. (${name})` };
  }
}

/**
 * Why a call cannot be joined or went on, and what to offer.
 *
 * @param {string} code of the server's error
 * @param {boolean} guest
 * @returns {Words & {offer: ("retry" | "signin" | "home" | "guest")[]}}
 */
export function refusal(code, guest) {
  switch (code) {
    case "room_not_found":
      return guest
        ? {
            title: "This room is not open",
            text: "Check the link. If it is right, the host has not opened the room yet: try again in a minute. With an account you can open it yourself.",
            offer: ["retry", "signin", "home"],
          }
        : { title: "This room does not exist", text: "Check the link, or open a new room.", offer: ["retry", "home"] };
    case "room_full":
      return {
        title: "The room is full",
        text: "Nobody else fits in for now. Try again when somebody has left.",
        offer: ["retry", "home"],
      };
    case "guests_not_allowed":
      return { title: "Please sign in", text: "This room is for people with an account here.", offer: ["signin", "home"] };
    case "token_invalid":
    case "token_expired":
      return {
        title: "You have been signed out",
        text: "Your session has ended. Sign in again, or go on as a guest.",
        offer: ["signin", "guest"],
      };
    case "removed":
      return {
        title: "You were removed from the call",
        text: "A moderator has ended your part in it.",
        offer: ["home"],
      };
    case "admission_denied":
      return { title: "You were not let in", text: "A moderator of the room said no.", offer: ["home"] };
    case "room_locked":
      return {
        title: "The room is locked",
        text: "Nobody new can come in for now. Ask somebody in it to unlock it.",
        offer: ["retry", "home"],
      };
    case "room_closed":
      return { title: "The call was ended", text: "A moderator ended it for everybody.", offer: ["retry", "home"] };
    case "bad_request":
      return {
        title: "The room could not be joined",
        text: "Something in the address or in your name is not accepted. Check both and try again.",
        offer: ["retry", "home"],
      };
    default:
      return { title: "The call has ended", text: "The server closed the connection.", offer: ["retry", "home"] };
  }
}

/**
 * @param {string} code of an error that leaves the call running
 * @param {string} message the server's own
 * @returns {string}
 */
export function trouble(code, message) {
  if (code === "rate_limited") return "That was too much at once. Wait a moment and try again.";
  if (code === "media_unavailable") return "This server carries no video. Chat still works.";
  return message;
}
