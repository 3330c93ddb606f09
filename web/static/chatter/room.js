/** @import { Grants, Limits, Mode, Participant, Role, RoomPolicy, ServerMessage, Source, Speaker, Track, Waiting } from "./messages.js" */

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
 * @property {readonly Speaker[]} speakers who speaks, as the media server hears it, the loudest first
 * @property {readonly RTCIceServer[]} iceServers
 * @property {Limits} limits
 * @property {Role} role one's own
 * @property {Grants} grants one's own
 * @property {RoomPolicy} policy how the room is set
 * @property {readonly Waiting[]} waiting who is in the lobby, as moderators are told
 */

/** @type {Limits} */
const DEFAULT_LIMITS = { participants: 50, messageBytes: 65_536, chatCharacters: 4000, displayNameCharacters: 64 };

// Of a server that tells of none: everybody may do all but decide about others.
/** @type {Grants} */
const DEFAULT_GRANTS = {
  publish: ["camera", "microphone", "screen"],
  subscribe: true,
  chat: true,
  data: true,
  moderate: false,
  hidden: false,
  bot: false,
};

/** @type {RoomPolicy} */
const DEFAULT_POLICY = { name: "", locked: false, lobby: false, guests: "allow" };

/** @type {Room} */
export const emptyRoom = Object.freeze({
  clientId: "",
  roomId: "",
  roomMode: "auto",
  mode: "p2p",
  participants: [],
  tracks: [],
  speakers: [],
  iceServers: [],
  limits: DEFAULT_LIMITS,
  role: "speaker",
  grants: DEFAULT_GRANTS,
  policy: DEFAULT_POLICY,
  waiting: [],
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
        speakers: message.speakers ?? [],
        iceServers: message.iceServers ?? [],
        limits: { ...DEFAULT_LIMITS, ...message.limits },
        role: message.role ?? "speaker",
        grants: message.grants ?? DEFAULT_GRANTS,
        policy: message.room ?? DEFAULT_POLICY,
        waiting: [],
      };
    case "resumed":
      // What was missed follows, message by message, unless it is gone.
      if (message.missed !== null) return room;
      return {
        ...room,
        mode: message.mode,
        participants: message.participants ?? [],
        tracks: message.tracks ?? [],
        speakers: message.speakers ?? [],
        role: message.role ?? room.role,
        grants: message.grants ?? room.grants,
        policy: message.room ?? room.policy,
        waiting: message.waiting ?? [],
      };
    case "participants":
      return { ...room, participants: message.participants };
    case "presence": {
      const { clientId, displayName = "", role, bot } = message;
      if (message.action === "join") {
        const newcomer = { id: clientId, displayName, ...(role && { role }), ...(bot && { bot }) };
        return { ...room, participants: merge(room.participants, [newcomer]) };
      }
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
    case "speakers":
      return { ...room, speakers: message.speakers };
    case "waiting":
      return { ...room, waiting: message.participants };
    case "room": {
      const { name, locked, lobby, guests } = message;
      return { ...room, policy: { name, locked, lobby, guests } };
    }
    case "role": {
      const { clientId, role, grants } = message;
      const participants = room.participants.map((known) => (known.id === clientId ? { ...known, role } : known));
      if (clientId !== room.clientId || !grants) return { ...room, participants };
      return { ...room, participants, role, grants, waiting: grants.moderate ? room.waiting : [] };
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
 * @param {Source} source
 * @returns {Track | undefined}
 */
export function trackOf(room, clientId, source) {
  return room.tracks.find((track) => track.clientId === clientId && track.source === source);
}

/**
 * @param {Room} room
 * @param {Source} source
 * @returns {boolean} whether one may show it
 */
export function mayPublish(room, source) {
  return room.grants.publish.includes(source === "screen-audio" ? "screen" : source);
}
