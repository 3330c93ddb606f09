import assert from "node:assert/strict";
import { test } from "node:test";

import { Call } from "../../web/static/chatter/call.js";
import { Signaling } from "../../web/static/chatter/signaling.js";
import { FakeClock, answerTo, fakePeerConnections, fakeTrack, fakeWebSockets, settle } from "./fakes.js";

const RESUME = { token: "t1", seconds: 30 };
const WELCOME = { type: "welcome", seq: 1, clientId: "a", participants: [], tracks: [], resume: RESUME };
const resumed = (fields) => ({
  type: "resumed", clientId: "a", roomId: "r", mode: "sfu", missed: 0, received: 0, resume: { token: "t2", seconds: 30 },
  ...fields,
});

/** A connection that has been welcomed. */
async function start() {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const asked = [];
  const url = async (refused) => {
    asked.push(refused);
    return "ws://host/ws/r?token=x";
  };
  const signaling = new Signaling({ url, WebSocket: FakeWebSocket, clock, random: () => 0 });
  const states = [];
  const refusals = [];
  signaling.on("state", ({ state }) => states.push(state));
  signaling.on("refused", ({ code }) => refusals.push(code));
  signaling.open();
  await settle();
  sockets[0].say(WELCOME);
  return { clock, sockets, signaling, asked, states, refusals };
}

const chats = ({ sent }) => sent.filter(({ type }) => type === "chat").map(({ text }) => text);

test("a connection that breaks is resumed from the last message, without a new address", async () => {
  const { clock, sockets, asked, states } = await start();
  sockets[0].say({ type: "pong", seq: 7 });
  sockets[0].end(1006);
  await clock.advance(300);
  assert.equal(sockets[1].url, "ws://host/ws/r?token=x&resume=t1&after=7");
  assert.deepEqual(asked, [null]);
  sockets[1].say(resumed());
  assert.deepEqual(states, ["connecting", "open", "connecting", "connecting", "open"], "no count-down is shown");
  sockets[1].say({ type: "pong", seq: 8 });
  sockets[1].end(1006);
  await clock.advance(1000);
  assert.equal(sockets[2].url, "ws://host/ws/r?token=x&resume=t2&after=8");
});

test("a break that goes on is told with a count-down", async () => {
  const { clock, sockets, states } = await start();
  for (const wait of [300, 600, 1200, 2400]) {
    sockets.at(-1).end(1006);
    await clock.advance(wait);
  }
  assert.equal(sockets.length, 5);
  assert.equal(states.includes("waiting"), false);
  sockets.at(-1).end(1006);
  assert.equal(states.at(-1), "waiting");
});

test("what the state stands for is what was heard", async () => {
  const { clock, sockets } = await start();
  sockets[0].end(1006);
  await clock.advance(300);
  sockets[1].say(resumed({ missed: null, seq: 400 }));
  sockets[1].end(1006);
  await clock.advance(1000);
  assert.match(sockets[2].url, /after=400$/);
});

test("what was said while it was broken, or got lost on its way, is sent after the resumption, once", async () => {
  const { clock, sockets, signaling } = await start();
  for (const text of ["arrived", "lost"]) assert.equal(signaling.send({ type: "chat", text }), true);
  sockets[0].end(1006);
  assert.equal(signaling.send({ type: "chat", text: "waiting" }), true);
  await clock.advance(300);
  assert.equal(signaling.send({ type: "chat", text: "waiting too" }), true);
  assert.deepEqual(sockets[1].sent, [], "nothing goes out before the server has said what it has");
  sockets[1].say(resumed({ received: 1 }));
  signaling.send({ type: "chat", text: "now" });
  assert.deepEqual(chats(sockets[1]), ["lost", "waiting", "waiting too", "now"]);
});

test("too late: it joins anew at once, and says what waited", async () => {
  const { clock, sockets, signaling, asked, refusals } = await start();
  signaling.send({ type: "chat", text: "perhaps arrived" });
  sockets[0].end(1006);
  signaling.send({ type: "chat", text: "waiting" });
  signaling.send({ type: "webrtc", action: "offer", to: "sfu" });
  await clock.advance(300);
  sockets[1].say({ type: "error", code: "resume_unknown", message: "Too late." });
  sockets[1].end(4412);
  await settle();
  assert.equal(sockets.length, 3);
  assert.equal(sockets[2].url, "ws://host/ws/r?token=x");
  assert.deepEqual(asked, [null, null]);
  sockets[2].say({ ...WELCOME, clientId: "a2" });
  assert.deepEqual(sockets[2].sent, [{ type: "chat", text: "waiting" }]);
  assert.deepEqual(refusals, []);
});

for (const code of [4400, 4403, 4408, 4410, 1009])
  test(`after ${code} there is nothing to resume`, async () => {
    const { clock, sockets, signaling } = await start();
    sockets[0].end(code);
    assert.equal(signaling.send({ type: "chat", text: "too late" }), false);
    await clock.advance(1000);
    for (const { url } of sockets.slice(1)) assert.equal(url, "ws://host/ws/r?token=x");
  });

test("somebody who has taken this place is left alone", async () => {
  const { clock, sockets, refusals } = await start();
  sockets[0].say({ type: "error", code: "replaced", message: "A newer connection has taken its place." });
  sockets[0].end(4411);
  await clock.advance(60_000);
  assert.equal(sockets.length, 1);
  assert.deepEqual(refusals, ["replaced"]);
});

test("a server that refuses to resume what nobody resumed is not asked without pause", async () => {
  const { clock, sockets } = await start();
  sockets[0].end(4408);
  await clock.advance(300);
  sockets[1].end(4412);
  await settle();
  assert.equal(sockets.length, 2);
});

test("a silent connection is given up in a way that is no goodbye", async () => {
  const { clock, sockets } = await start();
  await clock.advance(20_000);
  assert.equal(sockets[0].closedWith, 4000);
  await clock.advance(300);
  assert.match(sockets[1].url, /resume=t1&after=1$/);
});

test("leaving is for good", async () => {
  const { clock, sockets, signaling } = await start();
  sockets[0].end(1006);
  signaling.close();
  assert.equal(signaling.send({ type: "chat", text: "too late" }), false);
  await clock.advance(60_000);
  assert.equal(sockets.length, 1);
});

const ann = { id: "a", displayName: "Ann" };
const bob = { id: "b", displayName: "Bob" };
const eve = { id: "e", displayName: "Eve" };
const tracksOf = (clientId) =>
  ["microphone", "camera"].map((source) => ({
    id: `${clientId}:${source}`, clientId, source, kind: source === "camera" ? "video" : "audio", muted: false, sfu: true,
    encodings: [],
  }));

/** Ann's call with Bob, by way of the media server or directly, at the moment after its connection broke. */
async function broken({ mode }) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const { FakePeerConnection, connections } = fakePeerConnections();
  const events = [];
  const call = new Call({
    url: async () => "ws://host/ws/r", WebSocket: FakeWebSocket, RTCPeerConnection: FakePeerConnection, clock,
    random: () => 0, firstFrame: async () => {},
  });
  call.on("stream", ({ clientId, source, track }) => events.push(`${clientId}:${source} ${track ? "plays" : "none"}`));
  call.on("media", ({ state }) => events.push(state));
  call.setTrack("microphone", fakeTrack("audio"));
  call.join();
  await settle();
  const offers = () => sockets.at(-1).sent.filter(({ action }) => action === "offer");
  const say = async (message) => {
    sockets.at(-1).say(message);
    await settle();
  };
  const answer = async () => {
    const { id, sdp, subscribe } = offers().at(-1);
    await say({ type: "webrtc", action: "answer", from: "sfu", to: "a", id, sdp: answerTo(sdp), subscribe });
  };
  await say({ ...WELCOME, mode, participants: mode === "sfu" ? [bob, ann] : [ann], tracks: mode === "sfu" ? tracksOf("b") : [] });
  if (mode === "sfu") await answer();
  else await say({ type: "presence", action: "join", clientId: "b", displayName: "Bob", seq: 3 });
  events.length = 0;
  sockets[0].end(1006);
  await clock.advance(300);
  return { clock, sockets, connections, call, events, say, answer, offers };
}

for (const mode of ["sfu", "p2p"])
  test(`${mode}: media goes on untouched, and nothing is negotiated`, async () => {
    const { sockets, connections, call, events, say } = await broken({ mode });
    const before = call.room;
    await say(resumed({ mode, received: sockets[0].sent.length }));
    assert.equal(call.room, before);
    assert.deepEqual(sockets[1].sent, []);
    assert.equal(connections.length, 1);
    assert.notEqual(connections[0].connectionState, "closed");
    assert.deepEqual(events, []);
  });

test("what was missed is taken in as it comes", async () => {
  const { call, sockets, say, offers, answer, events } = await broken({ mode: "sfu" });
  const heard = [];
  call.on("chat", ({ text }) => heard.push(text));
  await say(resumed({ missed: 3, received: sockets[0].sent.length }));
  await say({ type: "chat", from: "b", text: "meanwhile", seq: 4 });
  await say({ type: "presence", action: "join", clientId: "e", displayName: "Eve", seq: 5 });
  assert.deepEqual(offers(), []);
  await say({ type: "tracks", action: "added", tracks: tracksOf("e"), seq: 6 });
  assert.equal(offers().length, 1);
  await answer();
  assert.deepEqual(heard, ["meanwhile"]);
  assert.deepEqual(events, ["e:microphone plays", "e:camera plays"]);
});

test("a camera that was switched on meanwhile is announced and offered after the resumption", async () => {
  const { call, sockets, say, offers } = await broken({ mode: "sfu" });
  call.setTrack("camera", fakeTrack("video"));
  await settle();
  await say(resumed({ received: sockets[0].sent.length }));
  const announced = sockets[1].sent.filter(({ type }) => type === "tracks");
  assert.deepEqual(announced.map(({ tracks }) => tracks.map(({ source }) => source)), [["microphone", "camera"]]);
  assert.equal(offers().length, 1);
});

test("an offer waits for its answer until signaling is back, and then as long as ever", async () => {
  const { call, clock, sockets, say, answer, events } = await broken({ mode: "sfu" });
  call.setTrack("screen", fakeTrack("video"));
  await clock.advance(9_000);
  sockets.at(-1).end(1006);
  await clock.advance(16_000);
  assert.deepEqual(events, [], "nothing is given up meanwhile");
  await say(resumed({ received: sockets[0].sent.length }));
  await clock.advance(9_000);
  await answer();
  assert.deepEqual(events, []);
  call.setTrack("camera", fakeTrack("video"));
  await clock.advance(10_000);
  assert.equal(events.at(-1), "waiting", "an answer that does not come is noticed");
});

test("what was missed is gone: the room is another one, and the connection to the media server stays", async () => {
  const { call, sockets, connections, say, answer, events } = await broken({ mode: "sfu" });
  const state = { participants: [ann, eve], tracks: tracksOf("e"), media: { type: "media", state: "connected" } };
  await say(resumed({ missed: null, seq: 300, received: sockets[0].sent.length, ...state }));
  await answer();
  assert.deepEqual(call.room.participants, [ann, eve]);
  assert.equal(connections.length, 1);
  assert.deepEqual(events.toSorted(), ["b:camera none", "b:microphone none", "e:camera plays", "e:microphone plays"]);
});

test("what was missed is gone, and with it that media had ended: it is connected anew", async () => {
  const { clock, connections, sockets, say, events } = await broken({ mode: "sfu" });
  const state = { participants: [bob, ann], tracks: tracksOf("b"), media: { type: "media", state: "closed", reason: "consent-expired" } };
  await say(resumed({ missed: null, seq: 300, received: sockets[0].sent.length, ...state }));
  assert.equal(events.at(-1), "waiting");
  await clock.advance(1000);
  assert.equal(connections.length, 2);
});

test("what was missed is gone in a direct call: it joins anew", async () => {
  const { sockets, connections, say } = await broken({ mode: "p2p" });
  await say(resumed({ missed: null, mode: "p2p", seq: 300, participants: [ann, bob], tracks: [] }));
  assert.equal(sockets[1].closedWith, 1000);
  assert.equal(sockets[2].url, "ws://host/ws/r");
  await say({ ...WELCOME, clientId: "a2", mode: "p2p", participants: [bob, { ...ann, id: "a2" }] });
  assert.equal(connections[0].connectionState, "closed");
});

test("the room became one of the media server meanwhile, and that is gone: it connects there", async () => {
  const { connections, sockets, say, offers } = await broken({ mode: "p2p" });
  await say(resumed({ missed: null, seq: 300, received: sockets[0].sent.length, participants: [ann, bob, eve], tracks: tracksOf("e") }));
  assert.equal(connections.length, 2);
  assert.equal(offers().at(-1).to, "sfu");
});
