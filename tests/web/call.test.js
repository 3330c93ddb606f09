import assert from "node:assert/strict";
import { test } from "node:test";

import { Call } from "../../web/static/chatter/call.js";
import { FakeClock, answerTo, fakePeerConnections, fakeTrack, fakeWebSockets, settle } from "./fakes.js";

const ann = { id: "a", displayName: "Ann" };
const bob = { id: "b", displayName: "Bob" };

function tracksOf(clientId, { sfu, muted = [] }) {
  return ["microphone", "camera"].map((source) => ({
    id: `${clientId}:${source}`,
    clientId,
    source,
    kind: source === "camera" ? "video" : "audio",
    muted: muted.includes(source),
    sfu,
    encodings: [],
  }));
}

/** A call of Ann's in which the test is the server and everybody else. */
async function join({ mode = "p2p", participants = [ann], tracks = [] } = {}) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const { FakePeerConnection, connections } = fakePeerConnections();
  const events = [];
  const decodes = new Map();
  const call = new Call({
    url: async () => "ws://host/ws/r",
    WebSocket: FakeWebSocket,
    RTCPeerConnection: FakePeerConnection,
    clock,
    random: () => 0,
    localLevel: () => world.level,
    firstFrame: (receiver) => new Promise((resolve, reject) => decodes.set(receiver, { resolve, reject })),
  });
  const world = { clock, sockets, connections, call, events, level: 0 };
  call.on("stream", ({ clientId, source, track, path }) => events.push(`${clientId}:${source} ${track ? path : "none"}`));
  call.setTrack("microphone", fakeTrack("audio"));
  call.setTrack("camera", fakeTrack("video"));
  call.join();
  await settle();
  world.welcome = async (fields = {}) => {
    sockets.at(-1).say({ type: "welcome", clientId: "a", roomId: "r", roomMode: "auto", mode, participants, tracks, ...fields });
    await settle();
  };
  world.say = async (message) => {
    sockets.at(-1).say(message);
    await settle();
  };
  world.sent = (type, action) =>
    sockets.at(-1).sent.filter((message) => message.type === type && (!action || message.action === action));
  /** The media server answers the last offer. */
  world.answer = async () => {
    const { id, sdp, subscribe } = world.sent("webrtc", "offer").filter(({ to }) => to === "sfu").at(-1);
    await world.say({ type: "webrtc", action: "answer", from: "sfu", to: "a", id, sdp: answerTo(sdp), subscribe });
  };
  /** Bob, who is new, answers Ann's offer. */
  world.bobAnswers = async () => {
    const lines = JSON.parse(world.sent("webrtc", "offer").at(-1).sdp).lines;
    const publish = { 0: { source: "microphone" }, 1: { source: "camera" } };
    await world.say({ type: "webrtc", action: "answer", from: "b", to: "a", sdp: JSON.stringify({ lines }), publish });
  };
  /** The first frames of what comes by way of the media server are decoded. */
  world.decode = async (...kinds) => {
    for (const [receiver, { resolve }] of decodes) if (kinds.includes(receiver.track.kind)) resolve();
    await settle();
  };
  await world.welcome();
  return world;
}

/** Ann and Bob in a direct call, then a third person, then the switch. */
async function switching(options) {
  const world = await join();
  await world.say({ type: "presence", action: "join", clientId: "b", displayName: "Bob" });
  await world.say({ type: "tracks", action: "added", tracks: tracksOf("b", { sfu: false, ...options }) });
  await world.bobAnswers();
  await world.say({ type: "mode", mode: "sfu" });
  await world.answer();
  await world.say({ type: "tracks", action: "updated", tracks: tracksOf("b", { sfu: true, ...options }) });
  await world.answer();
  return world;
}

test("on welcome it says what it has to show, and again when that changes", async () => {
  const { call, sent } = await join();
  call.setMuted("microphone", true);
  call.setMuted("microphone", true);
  call.setTrack("camera", null);
  call.setTrack("screen", fakeTrack("video"));
  call.setTrack("screen", null);
  const on = { microphone: false, camera: false };
  const list = (...entries) => entries.map(([source, muted]) => ({ source, muted }));
  assert.deepEqual(sent("tracks").map(({ tracks }) => tracks), [
    list(["microphone", on.microphone], ["camera", on.camera]),
    list(["microphone", true], ["camera", false]),
    list(["microphone", true], ["camera", true]),
    list(["microphone", true], ["camera", true], ["screen", false]),
    list(["microphone", true], ["camera", true]),
  ]);
});

test("muted is silent but keeps the device", async () => {
  const { call } = await join();
  const track = fakeTrack("audio");
  call.setMuted("microphone", true);
  call.setTrack("microphone", track);
  assert.equal(track.enabled, false);
  call.setMuted("microphone", false);
  assert.equal(track.enabled, true);
  assert.equal(call.isMuted("microphone"), false);
});

test("in a room of the media server it publishes and subscribes in one offer", async () => {
  const { sent, answer, events, connections } = await join({
    mode: "sfu",
    participants: [bob, ann],
    tracks: [...tracksOf("b", { sfu: true }), ...tracksOf("a", { sfu: true })],
  });
  assert.equal(connections.length, 1);
  assert.equal(sent("webrtc").length, 1);
  assert.deepEqual(sent("webrtc")[0].subscribe, { 2: "b:microphone", 3: "b:camera" });
  assert.deepEqual(sent("webrtc")[0].publish, { 0: { source: "microphone" }, 1: { source: "camera" } });
  await answer();
  assert.deepEqual(events, ["b:microphone sfu", "b:camera sfu"]);
});

test("directly, the one who was there offers", async () => {
  const world = await join();
  await world.say({ type: "presence", action: "join", clientId: "b", displayName: "Bob" });
  assert.equal(world.sent("webrtc", "offer").length, 1);
  assert.equal(world.sent("webrtc", "offer")[0].to, "b");
  await world.bobAnswers();
  assert.deepEqual(world.events, ["b:microphone p2p", "b:camera p2p"]);
});

test("directly, the newcomer waits for the offer", async () => {
  const world = await join({ participants: [bob, ann] });
  assert.equal(world.sent("webrtc").length, 0);
  const sdp = JSON.stringify({ lines: [{ mid: "0", kind: "audio", direction: "sendrecv" }] });
  await world.say({ type: "webrtc", action: "offer", from: "b", to: "a", sdp });
  assert.equal(world.sent("webrtc", "answer").length, 1);
  assert.deepEqual(world.events, ["b:microphone p2p"]);
});

test("the switch to the media server: each source plays on until its first frame is decoded", async () => {
  const world = await switching();
  const [direct, server] = world.connections;
  assert.deepEqual(world.events, ["b:microphone p2p", "b:camera p2p"]);
  await world.decode("audio");
  assert.deepEqual(world.events.slice(2), ["b:microphone sfu"]);
  await world.clock.advance(5000);
  assert.equal(direct.connectionState, "new", "the picture still comes directly");
  await world.decode("video");
  assert.deepEqual(world.events.slice(3), ["b:camera sfu"]);
  await world.clock.advance(2999);
  assert.equal(direct.connectionState, "new", "Bob may not have decoded his first frame of us yet");
  await world.clock.advance(1);
  assert.equal(direct.connectionState, "closed");
  assert.equal(server.connectionState, "new");
  assert.equal(world.events.length, 4);
});

test("the switch does not wait for a source that is muted", async () => {
  const world = await switching({ muted: ["camera"] });
  await world.decode("audio");
  await world.clock.advance(3000);
  assert.equal(world.connections[0].connectionState, "closed");
});

test("the switch ends after twenty seconds even if nothing comes", async () => {
  const world = await switching();
  await world.clock.advance(19_999);
  assert.equal(world.connections[0].connectionState, "new");
  await world.clock.advance(1);
  assert.equal(world.connections[0].connectionState, "closed");
  assert.deepEqual(world.events.slice(-2), ["b:microphone sfu", "b:camera sfu"]);
});

test("the other side was done first: what comes by way of the server is played at once", async () => {
  const world = await switching();
  world.connections[0].become("failed");
  assert.deepEqual(world.events.slice(-2), ["b:microphone sfu", "b:camera sfu"]);
});

test("somebody leaves: nothing of theirs remains", async () => {
  const world = await switching();
  await world.decode("audio", "video");
  await world.say({ type: "presence", action: "leave", clientId: "b" });
  assert.deepEqual(world.events.slice(-2).toSorted(), ["b:camera none", "b:microphone none"]);
  assert.deepEqual(world.sent("webrtc", "offer").at(-1).subscribe, {});
  assert.equal(world.connections[0].connectionState, "closed");
});

test("back after a loss, it publishes and subscribes anew", async () => {
  const tracks = tracksOf("b", { sfu: true });
  const world = await join({ mode: "sfu", participants: [bob, ann], tracks });
  await world.answer();
  world.sockets[0].end(1006);
  await world.clock.advance(300);
  assert.equal(world.sockets.length, 2);
  await world.welcome({ clientId: "a2", participants: [bob, { ...ann, id: "a2" }] });
  assert.equal(world.connections[0].connectionState, "closed");
  assert.equal(world.connections.length, 2);
  const [offer] = world.sent("webrtc", "offer");
  assert.deepEqual(offer.publish, { 0: { source: "microphone" }, 1: { source: "camera" } });
  assert.deepEqual(offer.subscribe, { 2: "b:microphone", 3: "b:camera" });
  assert.equal(world.sent("tracks").length, 1);
  await world.answer();
  assert.deepEqual(world.events.slice(-2), ["b:microphone sfu", "b:camera sfu"]);
});

test("who speaks", async () => {
  const world = await join({ mode: "sfu", participants: [bob, ann], tracks: tracksOf("b", { sfu: true }) });
  await world.answer();
  const heard = [];
  world.call.on("speaking", (ids) => heard.push([...ids].toSorted().join()));
  const microphone = world.connections[0].getTransceivers()[2].receiver;
  microphone.level = 0.2;
  await world.clock.advance(200);
  world.level = 0.2;
  await world.clock.advance(200);
  world.call.setMuted("microphone", true);
  microphone.level = 0;
  await world.clock.advance(1000);
  assert.deepEqual(heard, ["b", "a,b", "b", ""]);
});

test("who speaks, by what the server hears", async () => {
  const world = await join({ mode: "sfu", participants: [bob, ann], tracks: tracksOf("b", { sfu: true }) });
  await world.answer();
  const heard = [];
  world.call.on("speaking", (ids) => heard.push([...ids].toSorted().join()));
  const says = async (...ids) => {
    const speakers = ids.map((id) => ({ clientId: id, trackId: `${id}:microphone`, audioLevel: 0.1 }));
    await world.say({ type: "speakers", speakers });
    await world.clock.advance(200);
  };
  await says("b");
  // Of oneself one knows better.
  await says("b", "a");
  await says();
  await says("b");
  await world.say({ type: "tracks", action: "updated", tracks: tracksOf("b", { sfu: true, muted: ["microphone"] }) });
  await world.clock.advance(200);
  assert.deepEqual(heard, ["b", "", "b", ""]);
});

test("speakers are known from the welcome on", async () => {
  const world = await join({ mode: "sfu", participants: [bob, ann], tracks: tracksOf("b", { sfu: true }) });
  const heard = [];
  world.call.on("speaking", (ids) => heard.push([...ids].join()));
  await world.welcome({ speakers: [{ clientId: "b", trackId: "b:microphone", audioLevel: 0.1 }] });
  await world.clock.advance(200);
  assert.deepEqual(heard, ["b"]);
});

test("errors of the server reach whom they concern", async () => {
  const world = await join({ mode: "sfu" });
  const errors = [];
  world.call.on("error", ({ code }) => errors.push(code));
  await world.say({ type: "error", code: "invalid_field", message: "text", request: "chat" });
  await world.say({ type: "error", code: "media_unavailable", message: "none", request: "webrtc", id: 1 });
  assert.deepEqual(errors, ["invalid_field"]);
  assert.equal(world.call.mediaState, "unavailable");
});

test("leaving lets go of everything", async () => {
  const world = await switching();
  world.call.leave();
  await settle();
  assert.deepEqual(world.connections.map(({ connectionState }) => connectionState), ["closed", "closed"]);
  assert.equal(world.sockets[0].closedWith, 1000);
  assert.equal(world.clock.waiting, 0);
});

test("figures of what is played", async () => {
  const world = await join({ mode: "sfu", participants: [bob, ann], tracks: tracksOf("b", { sfu: true }) });
  await world.answer();
  const inbound = { type: "inbound-rtp", kind: "video", lastPacketReceivedTimestamp: 5, framesDecoded: 30, frameWidth: 640 };
  const stale = { ...inbound, lastPacketReceivedTimestamp: 1, framesDecoded: 999 };
  world.connections[0].getTransceivers()[3].receiver.stats = new Map([["x", inbound], ["y", stale], ["z", { type: "codec" }]]);
  const [, camera] = await world.call.stats();
  assert.deepEqual(
    [camera.clientId, camera.source, camera.path, camera.framesDecoded, camera.width],
    ["b", "camera", "sfu", 30, 640],
  );
});

test("decisions of a moderator are messages", async () => {
  const world = await join();
  assert.equal(world.call.moderate({ action: "mute", clientId: "b", source: "camera" }), true);
  world.call.moderate({ action: "lock", enabled: true });
  assert.deepEqual(world.sent("moderate"), [
    { type: "moderate", action: "mute", clientId: "b", source: "camera" },
    { type: "moderate", action: "lock", enabled: true },
  ]);
});

test("a listener says nothing of tracks, and offers and says them again when allowed to", async () => {
  const world = await join({ mode: "sfu" });
  await world.answer();
  const said = () => world.sent("tracks").at(-1).tracks.map(({ source }) => source);
  const grants = world.call.room.grants;
  assert.deepEqual(said(), ["microphone", "camera"]);
  await world.say({ type: "role", clientId: "a", role: "listener", grants: { ...grants, publish: [] } });
  assert.equal(world.sent("tracks").length, 1);
  await world.answer();
  const offers = world.sent("webrtc", "offer").length;
  await world.say({ type: "role", clientId: "a", role: "speaker", grants });
  assert.deepEqual(said(), ["microphone", "camera"]);
  assert.equal(world.sent("tracks").length, 2);
  assert.equal(world.sent("webrtc", "offer").length, offers + 1);
});

test("another's role changes nothing of what one sends", async () => {
  const world = await join({ mode: "sfu", participants: [ann, bob] });
  await world.answer();
  const before = world.sockets.at(-1).sent.length;
  await world.say({ type: "role", clientId: "b", role: "listener" });
  assert.equal(world.sockets.at(-1).sent.length, before);
});
