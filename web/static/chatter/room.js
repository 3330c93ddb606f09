/** @import { Limits, Mode, Participant, ServerMessage, Source, Track } from "./messages.js" */

/**
 * What a client knows of its room. Never changed in place: `reduce` gives the next one.
 *
 * @typedef {object} Room
 * @property {string} clientId one's own id; empty before `welcome`
 * @property {string} roomId
 * @property {Mode | "auto"} roomMode
 * @property {Mode} mode
 * @property {readonly Participant[]} participants everybody, oneself included, in the order of arrival
 * @property {readonly Track[]} tracks
 * @property {readonly RTCIceServer[]} iceServers
 * @property {Limits} limits
 */

/** @type {Limits} */
const DEFAULT_LIMITS = { participants: 50, messageBytes: 65_536, chatCharacters: 4000, displayNameCharacters: 64 };

/** @type {Room} */
export const emptyRoom = Object.freeze({
  clientId: "",
  roomId: "",
  roomMode: "auto",
  mode: "p2p",
  participants: [],
  tracks: [],
  iceServers: [],
  limits: DEFAULT_LIMITS,
});

/**
 * @template {{id: string}} Item
 * @param {readonly Item[]} items
 * @param {readonly Item[]} news replace those of the same id, and follow the others
 * @returns {Item[]}
 */
function merge(items, news) {
  const byId = new Map(items.map((item) => [item.id, item]));
  for (const item of news) byId.set(item.id, { ...byId.get(item.id), ...item });
  return [...byId.values()];
}

/**
 * The room after a message. A message that says nothing about the room, or of a type unknown here, leaves it as it is.
 *
 * @param {Room} room
 * @param {ServerMessage} message
 * @returns {Room}
 */
export function reduce(room, message) {
  switch (message.type) {
    case "welcome":
      return {
        clientId: message.clientId,
        roomId: message.roomId ?? "",
        roomMode: message.roomMode ?? "p2p",
        mode: message.mode ?? "p2p",
        participants: message.participants ?? [],
        tracks: message.tracks ?? [],
        iceServers: message.iceServers ?? [],
        limits: { ...DEFAULT_LIMITS, ...message.limits },
      };
    case "resumed":
      // What was missed follows, message by message, unless it is gone.
      if (message.missed !== null) return room;
      return {
        ...room,
        mode: message.mode,
        participants: message.participants ?? [],
        tracks: message.tracks ?? [],
      };
    case "participants":
      return { ...room, participants: message.participants };
    case "presence": {
      const { clientId, displayName = "" } = message;
      if (message.action === "join")
        return { ...room, participants: merge(room.participants, [{ id: clientId, displayName }]) };
      return {
        ...room,
        participants: room.participants.filter(({ id }) => id !== clientId),
        tracks: room.tracks.filter((track) => track.clientId !== clientId),
      };
    }
    case "profile":
      return {
        ...room,
        participants: room.participants.map((participant) =>
          participant.id === message.clientId ? { ...participant, displayName: message.displayName } : participant,
        ),
      };
    case "tracks": {
      if (message.action !== "removed") return { ...room, tracks: merge(room.tracks, message.tracks) };
      const gone = new Set(message.tracks.map(({ id }) => id));
      return { ...room, tracks: room.tracks.filter(({ id }) => !gone.has(id)) };
    }
    case "mode":
      return { ...room, mode: message.mode };
    default:
      return room;
  }
}

/**
 * @param {Room} room
 * @param {string} clientId
 * @returns {Participant | undefined}
 */
export function participantOf(room, clientId) {
  return room.participants.find(({ id }) => id === clientId);
}

/**
 * @param {Room} room
 * @param {string} clientId
 * @param {Source} source
 * @returns {Track | undefined}
 */
export function trackOf(room, clientId, source) {
  return room.tracks.find((track) => track.clientId === clientId && track.source === source);
}
