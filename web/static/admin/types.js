/**
 * The state as the server sends it; GET /docs describes each member.
 *
 * @typedef {{trouble: number, grade: "good" | "fair" | "poor" | "bad", cause: string}} Quality
 *
 * @typedef {object} RoomRow
 * @property {string} id
 * @property {string} mode
 * @property {number} participants
 * @property {number} tracks
 * @property {number} subscriptions
 * @property {number} bitrateReceived
 * @property {number} bitrateSent
 * @property {Quality} quality
 *
 * @typedef {object} Track
 * @property {string} id
 * @property {string} kind
 * @property {string} source
 * @property {string} codec
 * @property {boolean} muted
 * @property {number} subscriptions
 * @property {number} bitrate
 * @property {number} loss
 * @property {number} jitter
 * @property {Quality} quality
 *
 * @typedef {object} Subscription
 * @property {string} track
 * @property {string} kind
 * @property {boolean} paused
 * @property {number} bitrate
 * @property {number} loss
 * @property {number | null} roundTripTime
 * @property {number} freezes
 * @property {number | null} spatialLayer
 * @property {number | null} temporalLayer
 * @property {Quality} quality
 *
 * @typedef {object} Participant
 * @property {string} id
 * @property {string} name
 * @property {number | null} userId
 * @property {string} connection
 * @property {string} address
 * @property {number | null} roundTripTime
 * @property {number | null} estimate
 * @property {Quality} quality
 * @property {Track[]} tracks
 * @property {Subscription[]} subscriptions
 *
 * @typedef {{id: string, mode: string, participants: Participant[], drops: Record<string, number>}} Room
 *
 * @typedef {object} Join
 * @property {string} room
 * @property {string} participant
 * @property {string} name
 * @property {string} client
 * @property {string} outcome
 * @property {string} reason
 * @property {number} began
 * @property {number} milliseconds
 * @property {string} traceId
 * @property {{stage: string, begin: number, milliseconds: number}[]} stages
 *
 * @typedef {object} Point
 * @property {number} at
 * @property {number} participants
 * @property {number} subscriptions
 * @property {number} troubled
 * @property {number} bitrateReceived
 * @property {number} bitrateSent
 * @property {number} packetsSent
 * @property {number} cpu
 * @property {number} memory
 * @property {number} loopLag
 *
 * @typedef {object} State
 * @property {{version: string, plane: string, uptime: number, logLevel: string, drops: Record<string, number>,
 *   draining: {endsAt: number, url: string | null} | null}} node
 * @property {Point} point
 * @property {RoomRow[]} rooms
 * @property {number} roomCount
 * @property {Room | null} room
 * @property {Join[]} joins
 */
export {};
