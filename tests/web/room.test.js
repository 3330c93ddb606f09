import assert from "node:assert/strict";
import { test } from "node:test";

import { emptyRoom, mayPublish, reduce, trackOf } from "../../web/static/chatter/room.js";

function frozen(value) {
  if (value && typeof value === "object") Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

const ann = { id: "a", displayName: "Ann" };
const bob = { id: "b", displayName: "Bob" };
const camera = { id: "b:camera", clientId: "b", kind: "video", source: "camera", muted: false, sfu: false, encodings: [] };
const carla = { id: "c", displayName: "Carla", role: "guest" };
const policy = { name: "Standup", locked: true, lobby: true, guests: "allow" };
const room = frozen({ ...emptyRoom, clientId: "a", roomId: "r", participants: [ann, bob], tracks: [camera] });

const table = {
  "welcome replaces everything": [
    { type: "welcome", clientId: "z", roomId: "q", roomMode: "auto", mode: "sfu", participants: [bob], tracks: [],
      iceServers: [{ urls: "stun:x" }], limits: { participants: 3 } },
    { clientId: "z", roomId: "q", mode: "sfu", participants: [bob], tracks: [], iceServers: [{ urls: "stun:x" }],
      limits: { ...emptyRoom.limits, participants: 3 } },
  ],
  "a bare welcome is one of a peer-to-peer room": [
    { type: "welcome", clientId: "z" },
    { clientId: "z", roomId: "", roomMode: "p2p", mode: "p2p", participants: [], tracks: [] },
  ],
  "resumed, and what was missed is gone": [
    { type: "resumed", clientId: "a", mode: "sfu", missed: null, participants: [ann], tracks: [] },
    { clientId: "a", roomId: "r", mode: "sfu", participants: [ann], tracks: [] },
  ],
  "participants": [{ type: "participants", participants: [ann] }, { participants: [ann] }],
  "somebody joins": [
    { type: "presence", action: "join", clientId: "c", displayName: "Carla" },
    { participants: [ann, bob, { id: "c", displayName: "Carla" }] },
  ],
  "somebody who is here joins again": [
    { type: "presence", action: "join", clientId: "b", displayName: "Bob" },
    { participants: [ann, bob] },
  ],
  "somebody leaves with their tracks": [
    { type: "presence", action: "leave", clientId: "b" },
    { participants: [ann], tracks: [] },
  ],
  "a new name": [
    { type: "profile", clientId: "b", displayName: "Robert" },
    { participants: [ann, { id: "b", displayName: "Robert" }] },
  ],
  "a track comes": [
    { type: "tracks", action: "added", tracks: [{ ...camera, id: "b:screen", source: "screen" }] },
    { tracks: [camera, { ...camera, id: "b:screen", source: "screen" }] },
  ],
  "a track changes": [
    { type: "tracks", action: "updated", tracks: [{ ...camera, muted: true }] },
    { tracks: [{ ...camera, muted: true }] },
  ],
  "a track goes": [{ type: "tracks", action: "removed", tracks: [camera] }, { tracks: [] }],
  "welcome tells the role, the grants and how the room is set": [
    { type: "welcome", clientId: "z", role: "owner", grants: { ...emptyRoom.grants, moderate: true }, room: policy },
    { role: "owner", grants: { ...emptyRoom.grants, moderate: true }, policy, waiting: [] },
  ],
  "a moderator resumes, and what was missed is gone": [
    { type: "resumed", clientId: "a", mode: "sfu", missed: null, participants: [ann], tracks: [], role: "moderator",
      grants: { ...emptyRoom.grants, moderate: true }, room: policy, waiting: [carla] },
    { role: "moderator", grants: { ...emptyRoom.grants, moderate: true }, policy, waiting: [carla] },
  ],
  "somebody with a role joins": [
    { type: "presence", action: "join", clientId: "c", displayName: "Carla", role: "guest", bot: true },
    { participants: [ann, bob, { ...carla, bot: true }] },
  ],
  "somebody waits": [{ type: "waiting", participants: [carla] }, { waiting: [carla] }],
  "the room is set otherwise": [{ type: "room", seq: 4, ...policy }, { policy }],
  "another has a new role": [
    { type: "role", clientId: "b", role: "moderator" },
    { participants: [ann, { ...bob, role: "moderator" }], role: "speaker", grants: emptyRoom.grants },
  ],
  "one has a new role": [
    { type: "role", clientId: "a", role: "listener", grants: { ...emptyRoom.grants, publish: [] } },
    { participants: [{ ...ann, role: "listener" }, bob], role: "listener", grants: { ...emptyRoom.grants, publish: [] } },
  ],
  "another mode": [{ type: "mode", mode: "sfu" }, { mode: "sfu" }],
};

for (const [name, [message, expected]] of Object.entries(table))
  test(name, () => {
    const after = reduce(room, frozen(message));
    for (const [field, value] of Object.entries(expected)) assert.deepEqual(after[field], value, field);
  });

const follows = { type: "resumed", clientId: "a", mode: "sfu", missed: 2 };
for (const message of [{ type: "chat", text: "x" }, follows, { type: "pong" }, { type: "of the future", participants: [] }])
  test(`${message.type} leaves the room as it is`, () => assert.equal(reduce(room, message), room));

test("who moderates no more is not told who waits", () => {
  const moderator = { ...room, grants: { ...room.grants, moderate: true }, waiting: [carla] };
  const demoted = reduce(moderator, { type: "role", clientId: "a", role: "speaker", grants: emptyRoom.grants });
  assert.deepEqual(demoted.waiting, []);
});

test("what one may show", () => {
  const grants = { ...emptyRoom.grants, publish: ["screen"] };
  const sources = ["microphone", "camera", "screen", "screen-audio"];
  assert.deepEqual(sources.filter((source) => mayPublish({ ...room, grants }, source)), ["screen", "screen-audio"]);
  assert.deepEqual(sources.filter((source) => mayPublish(room, source)), sources);
});

test("finding", () => {
  assert.equal(trackOf(room, "b", "camera"), camera);
  assert.equal(trackOf(room, "b", "screen"), undefined);
});
