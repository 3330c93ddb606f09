const ROOM_ID = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * The room that somebody means who types a code or pastes a link.
 *
 * @param {string} text
 * @returns {string | null} the room id; null: that is neither
 */
export function roomIdOf(text) {
  const trimmed = text.trim();
  if (ROOM_ID.test(trimmed)) return trimmed;
  const match = /^(?:\w+:\/\/)?[^/\s]+\/(?:r|ws)\/([^/?#\s]+)/.exec(trimmed);
  return match && ROOM_ID.test(match[1]) ? match[1] : null;
}

/**
 * @param {string} roomId
 * @returns {string} the address to send to others
 */
export function linkTo(roomId) {
  return `${location.origin}/r/${roomId}`;
}
