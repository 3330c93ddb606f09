import { recall, remember } from "./preferences.js";

/** @typedef {{roomId: string, at: number}} Visit `at` is in milliseconds since 1970 */

const KEY = "chatter.recent";
const MOST = 6;

/** @returns {Visit[]} the last one first */
export function recentRooms() {
  const stored = recall(KEY);
  return Array.isArray(stored) ? stored.filter((visit) => typeof visit?.roomId === "string") : [];
}

/**
 * @param {readonly Visit[]} visits
 * @param {Visit} visit
 * @returns {Visit[]}
 */
export function withVisit(visits, visit) {
  return [visit, ...visits.filter(({ roomId }) => roomId !== visit.roomId)].slice(0, MOST);
}

/** @param {string} roomId */
export function visited(roomId) {
  remember(KEY, withVisit(recentRooms(), { roomId, at: Date.now() }));
}

export function forgetRooms() {
  remember(KEY, []);
}

/**
 * @param {number} at
 * @param {number} now
 * @returns {string}
 */
export function ago(at, now) {
  const minutes = Math.max(0, Math.round((now - at) / 60_000));
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  if (hours < 24) return `${hours} h ago`;
  const days = Math.round(hours / 24);
  return days === 1 ? "yesterday" : `${days} days ago`;
}
