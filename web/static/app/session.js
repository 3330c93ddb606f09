import { recall, remember } from "./preferences.js";

/** @typedef {{id: number, username: string, token: string}} Account */

const DEVICE = "chatter.device";
const ACCOUNT = "chatter.account";
const TIMEOUT_MS = 10_000;
// A token that is about to expire would be refused on arrival.
const MARGIN_S = 30;

/** An answer of the server that is no success. */
export class ApiError extends Error {
  /**
   * @param {number} status 0: there was no answer
   * @param {string} code
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * @param {string} token a JSON Web Token
 * @returns {number} when it expires, in seconds since 1970; 0 if it does not say
 */
export function expiryOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload));
    return typeof exp === "number" ? exp : 0;
  } catch {
    return 0;
  }
}

/**
 * @param {string} path
 * @param {{method?: string, body?: unknown, token?: string, traceparent?: string}} [options]
 * @returns {Promise<any>}
 */
async function send(path, { method = "POST", body, token, traceparent } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        "X-Device-ID": deviceId(),
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(traceparent && { traceparent }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError(0, "unreachable", "The server cannot be reached. Check your connection and try again.");
  }
  const text = await response.text();
  /** @type {any} */
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = null;
  }
  if (response.ok) return answer;
  const { code = String(response.status), message = "The server could not do that. Try again." } = answer?.error ?? {};
  throw new ApiError(response.status, code, message);
}

/** @returns {string} what this browser is called among the devices of an account */
export function deviceId() {
  const known = recall(DEVICE);
  if (typeof known === "string" && known) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const made = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  remember(DEVICE, made);
  return made;
}

/** @returns {Account | null} who is signed in, as far as this browser knows */
export function account() {
  const stored = recall(ACCOUNT);
  return typeof stored?.token === "string" && typeof stored?.username === "string" ? stored : null;
}

/**
 * @param {"register" | "login"} what
 * @param {string} username
 * @param {string} password
 * @returns {Promise<Account>}
 */
export async function authenticate(what, username, password) {
  const answer = await send(`/auth/${what}`, { body: { username, password } });
  remember(ACCOUNT, answer);
  return answer;
}

/**
 * An access token that is good now: the known one, or a new one by the refresh cookie.
 *
 * @param {object} [options]
 * @param {boolean} [options.fresh] the known one has been refused
 * @param {string} [options.traceparent] of the trace that this belongs to
 * @returns {Promise<string | null>} null: nobody is signed in
 */
export async function accessToken({ fresh = false, traceparent } = {}) {
  const before = account();
  if (!before) return null;
  if (!fresh && isGood(before.token)) return before.token;
  // One tab refreshes for all: a refresh token may be good for one use.
  const refresh = async () => {
    const current = account();
    if (current && current.token !== before.token && isGood(current.token)) return current.token;
    try {
      const answer = await send("/auth/refresh", { traceparent });
      remember(ACCOUNT, answer);
      return answer.token;
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
        remember(ACCOUNT, null);
        return null;
      }
      throw error;
    }
  };
  return navigator.locks ? navigator.locks.request("chatter.refresh", refresh) : refresh();
}

/** @param {string} token */
function isGood(token) {
  const expiry = expiryOf(token);
  return expiry === 0 || expiry - MARGIN_S > Date.now() / 1000;
}

/** Goes on without an account on this browser. */
export function forgetAccount() {
  remember(ACCOUNT, null);
}

/** Signs out; where the server cannot be told, at least here. */
export async function signOut() {
  try {
    await send("/auth/logout");
  } finally {
    remember(ACCOUNT, null);
  }
}

/**
 * Asks the server as the account that is signed in here.
 *
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function ask(method, path, body) {
  const ended = () => new ApiError(401, "signed_out", "Your session has ended. Sign in again.");
  const token = await accessToken();
  if (!token) throw ended();
  try {
    return await send(path, { method, body, token });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    const renewed = await accessToken({ fresh: true });
    if (!renewed) throw ended();
    return send(path, { method, body, token: renewed });
  }
}

/** @returns {Promise<string>} the id of a new room */
export async function makeRoom() {
  const token = await accessToken();
  if (!token) throw new ApiError(401, "signed_out", "Sign in to open a room.");
  try {
    return (await send("/rooms", { token })).roomId;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    const renewed = await accessToken({ fresh: true });
    if (!renewed) throw new ApiError(401, "signed_out", "Your session has ended. Sign in again to open a room.");
    return (await send("/rooms", { token: renewed })).roomId;
  }
}
