/**
 * The messages of docs/protocol.md as types.
 *
 * @typedef {"audio" | "video"} Kind
 * @typedef {"microphone" | "camera" | "screen" | "screen-audio"} Source
 * @typedef {"p2p" | "sfu"} Mode
 *
 * @typedef {{id: string, displayName: string, role?: Role, bot?: boolean}} Participant
 * @typedef {{rid: string | null, codec: string}} Encoding
 *
 * @typedef {object} Track
 * @property {string} id `<clientId>:<source>`
 * @property {string} clientId
 * @property {Kind} kind
 * @property {Source} source
 * @property {boolean} muted the publisher has switched it off for now
 * @property {boolean} sfu it can be subscribed to from `sfu`
 * @property {Encoding[]} [encodings]
 *
 * @typedef {object} Speaker somebody who speaks, as the media server hears it
 * @property {string} clientId
 * @property {string} trackId
 * @property {number} audioLevel 0 to 1
 * @typedef {{type: "speakers", speakers: Speaker[]}} SpeakersChange the loudest first
 *
 * @typedef {object} Limits
 * @property {number} participants
 * @property {number} messageBytes
 * @property {number} chatCharacters
 * @property {number} displayNameCharacters
 *
 * @typedef {object} Welcome
 * @property {"welcome"} type
 * @property {string} clientId
 * @property {string} roomId
 * @property {Mode | "auto"} roomMode
 * @property {Mode} mode
 * @property {Participant[]} participants
 * @property {Track[]} tracks
 * @property {Speaker[]} [speakers]
 * @property {RTCIceServer[]} iceServers
 * @property {Limits} limits
 * @property {Role} [role] one's own
 * @property {Grants} [grants] one's own
 * @property {RoomPolicy} [room]
 * @property {Resume} [resume] missing where connections are not resumed
 *
 * @typedef {{token: string, seconds: number}} Resume
 *
 * @typedef {object} Resumed
 * @property {"resumed"} type
 * @property {string} clientId
 * @property {string} roomId
 * @property {Mode} mode
 * @property {number | null} missed how many messages follow; null: they are gone, and the fields below are there
 * @property {number} received how many messages the server has from here
 * @property {Resume} resume
 * @property {Participant[]} [participants]
 * @property {Track[]} [tracks]
 * @property {Speaker[]} [speakers]
 * @property {Media | null} [media]
 * @property {RoomPolicy} [room]
 * @property {Role} [role]
 * @property {Grants} [grants]
 * @property {Waiting[]} [waiting]
 *
 * @typedef {{type: "participants", participants: Participant[]}} Participants
 * @typedef {{type: "presence", action: "join" | "leave", clientId: string, displayName?: string, role?: Role,
 *   bot?: boolean}} Presence
 * @typedef {{type: "profile", clientId: string, displayName: string}} Profile
 * @typedef {{type: "chat", id: string, from: string, displayName: string, text: string, timestamp: number}} Chat
 * @typedef {{type: "tracks", action: "added" | "updated" | "removed", tracks: Track[]}} Tracks
 * @typedef {{type: "mode", mode: Mode}} ModeChange
 * @typedef {{type: "media", state: "connected" | "closed", reason?: string}} Media
 * @typedef {{type: "error", code: string, message: string, request?: string, id?: string | number}} ServerError
 * @typedef {{type: "draining", endsAt: number, url: string | null}} Draining the server is about to end
 * @typedef {{type: "lobby", clientId: string, roomId: string, room: {name: string}, resume?: Resume}} InLobby
 *   a moderator has to let one in
 * @typedef {{id: string, displayName: string, role: Role}} Waiting
 * @typedef {"owner" | "moderator" | "speaker" | "listener" | "guest"} Role
 * @typedef {"moderator" | "speaker" | "listener"} AssignableRole
 * @typedef {{publish: ("camera" | "microphone" | "screen")[], subscribe: boolean, chat: boolean, data: boolean,
 *   moderate: boolean, hidden: boolean, bot: boolean}} Grants what somebody may do
 * @typedef {{name: string, locked: boolean, lobby: boolean, guests: "allow" | "lobby" | "deny"}} RoomPolicy
 * @typedef {{type: "room"} & RoomPolicy} RoomChange
 * @typedef {{type: "role", clientId: string, role: Role, grants?: Grants}} RoleChange with `grants`: one's own
 * @typedef {{type: "waiting", participants: Waiting[]}} WaitingList
 * @typedef {{type: "muted", sources: Source[], by: string | null}} Muted a moderator has muted what one sends
 * @typedef {{code: string, text: string, trackId: string | null}} Cause why something is worse than it could be
 * @typedef {object} Quality how somebody's call goes
 * @property {string} clientId
 * @property {number} score 0 (nothing arrives) to 100 (nothing is wrong)
 * @property {"good" | "fair" | "poor" | "bad"} grade
 * @property {Cause | null} [cause] one's own
 * @typedef {{type: "quality", participants: Quality[]}} QualityNews
 *
 * @typedef {object} ConsumerFigures a track as the server sends it here
 * @property {string} trackId
 * @property {boolean} paused
 * @property {number} bitrate bits per second
 * @property {number} fractionLost 0 to 1
 * @property {number | null} roundTripTime seconds
 * @property {Cause | null} cause
 * @typedef {{trackId: string, codec: string, fractionLost: number}} ProducerFigures a track as the server gets it
 * @typedef {object} ParticipantFigures
 * @property {string} clientId
 * @property {number | null} currentRoundTripTime seconds
 * @property {number | null} availableOutgoingBitrate bits per second
 * @typedef {object} Stats
 * @property {"stats"} type
 * @property {ParticipantFigures[]} participants
 * @property {ProducerFigures[]} producers
 * @property {ConsumerFigures[]} consumers
 *
 * @typedef {{type: "pong", id?: string | number}} Pong
 *
 * @typedef {{type: "encodings", trackId: string, encodings: {rid: string, active: boolean}[]}} Encodings
 *
 * @typedef {object} Subscription which layer of a track one gets, and why
 * @property {"subscription"} type
 * @property {string} trackId
 * @property {string} rid
 * @property {number} spatial
 * @property {number} temporal
 * @property {number | null} width
 * @property {number | null} height
 * @property {string} reason
 *
 * @typedef {object} WebRtc
 * @property {"webrtc"} type
 * @property {"offer" | "answer" | "ice"} action
 * @property {string} from
 * @property {string} to
 * @property {string | number} [id]
 * @property {string} [sdp]
 * @property {RTCIceCandidateInit | null} [candidate]
 * @property {Record<string, any>} [publish]
 * @property {Record<string, string | null>} [subscribe]
 *
 * @typedef {(Welcome | QualityNews | SpeakersChange | Stats | Resumed | Participants | Presence | Profile | Chat | Tracks | ModeChange | Media | ServerError
 *   | InLobby | WaitingList | RoomChange | RoleChange | Muted | Pong | Draining | WebRtc | Encodings | Subscription) & {seq?: number}} ServerMessage
 *
 * @typedef {{action: "admit" | "deny" | "remove", clientId: string}
 *   | {action: "mute", clientId: string, source?: Source}
 *   | {action: "role", clientId: string, role: AssignableRole}
 *   | {action: "lock" | "lobby", enabled: boolean}
 *   | {action: "end"}} Moderation what a moderator decides
 *
 * @typedef {{type: string, [field: string]: unknown}} ClientMessage
 */

/**
 * @param {Source} source
 * @returns {Kind}
 */
export function kindOf(source) {
  return source === "camera" || source === "screen" ? "video" : "audio";
}
