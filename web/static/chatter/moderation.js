/** @import { AssignableRole, Participant, Role, Waiting } from "./messages.js" */
/** @import { Room } from "./room.js" */

/** @type {Record<Role, number>} */
const RANK = { owner: 3, moderator: 2, speaker: 1, listener: 1, guest: 1 };

/** @type {readonly AssignableRole[]} */
const ASSIGNABLE = ["moderator", "speaker", "listener"];

/**
 * @param {Room} room
 * @returns {boolean} whether one may decide about others and about the room
 */
export function mayModerate(room) {
  return room.grants.moderate;
}

/**
 * @param {Room} room
 * @returns {number} a moderator by a join token is one, whatever the role
 */
function ownRank(room) {
  return room.role === "owner" ? RANK.owner : RANK.moderator;
}

/**
 * @param {Room} room
 * @param {Participant} participant
 * @returns {boolean} whether one may mute and remove them
 */
export function mayDecideAbout(room, participant) {
  if (!mayModerate(room) || participant.id === room.clientId) return false;
  return ownRank(room) > RANK[participant.role ?? "speaker"];
}

/**
 * @param {Room} room
 * @param {Participant} participant
 * @returns {AssignableRole[]} what one may make of them that they are not
 */
export function rolesFor(room, participant) {
  if (!mayDecideAbout(room, participant)) return [];
  const theirs = participant.role === "guest" ? "speaker" : (participant.role ?? "speaker");
  return ASSIGNABLE.filter((role) => role !== theirs && RANK[role] < ownRank(room));
}

/**
 * @param {Room} before
 * @param {Room} after
 * @returns {Waiting[]} who has come to the lobby in between
 */
export function knocking(before, after) {
  const known = new Set(before.waiting.map(({ id }) => id));
  return after.waiting.filter(({ id }) => !known.has(id));
}
