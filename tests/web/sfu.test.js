import assert from "node:assert/strict";
import { test } from "node:test";

import { receivable } from "../../web/static/chatter/codecs.js";
import { SfuConnection } from "../../web/static/chatter/sfu.js";
import { FakeClock, answerTo, fakePeerConnections, fakeTrack, settle } from "./fakes.js";

function remote(id, fields = {}) {
  const [clientId, source] = id.split(":");
  const kind = source === "camera" || source === "screen" ? "video" : "audio";
  return { id, clientId, source, kind, muted: false, sfu: true, encodings: [], ...fields };
}

function start(options = {}) {
  const clock = new FakeClock();
  const { FakePeerConnection, connections } = fakePeerConnections();
  const offers = [];
  const events = [];
  const sfu = new SfuConnection({
    send: (message) => (offers.push(message), true),
    RTCPeerConnection: FakePeerConnection,
    clock,
    random: () => 0.5,
    ...options,
  });
  sfu.on("track", ({ trackId }) => events.push(`+${trackId}`));
  sfu.on("gone", ({ trackId }) => events.push(`-${trackId}`));
  sfu.on("state", ({ state }) => events.push(state));
  /** Answers the last offer. */
  const answer = async (subscribe) => {
    const { id, sdp, subscribe: asked } = offers.at(-1);
    sfu.receive({ type: "webrtc", action: "answer", from: "sfu", id, sdp: answerTo(sdp), subscribe: subscribe ?? asked });
    await settle();
  };
  return { clock, connections, offers, events, sfu, answer };
}

test("the first offer publishes and subscribes at once", async () => {
  const { sfu, offers, events, answer, connections } = start({ iceServers: [{ urls: "stun:x" }] });
  sfu.setLocal("microphone", fakeTrack("audio"));
  sfu.setLocal("camera", fakeTrack("video"));
  sfu.setRemote([remote("b:camera"), remote("b:microphone"), remote("c:camera", { sfu: false })]);
  await settle();
  assert.equal(offers.length, 1);
  const { sdp, ...offer } = offers[0];
  assert.deepEqual(offer, {
    type: "webrtc", action: "offer", to: "sfu", id: 1,
    publish: { 0: { source: "microphone" }, 1: { source: "camera" } },
    subscribe: { 2: "b:camera", 3: "b:microphone" },
  });
  assert.deepEqual(JSON.parse(sdp).lines.map(({ direction }) => direction), ["sendonly", "sendonly", "recvonly", "recvonly"]);
  await answer();
  connections[0].become("connected");
  assert.deepEqual(events, ["connecting", "+b:camera", "+b:microphone", "connected"]);
  assert.deepEqual(connections[0].config.iceServers, [{ urls: "stun:x" }]);
  assert.equal(connections[0].getTransceivers()[1].sendEncodings[0].maxBitrate, 1_500_000);
});

test("offers come one after the other, and what changed meanwhile goes into the next", async () => {
  const { sfu, offers, answer } = start();
  sfu.setLocal("microphone", fakeTrack("audio"));
  await settle();
  sfu.setRemote([remote("b:camera")]);
  await settle();
  sfu.setRemote([remote("b:camera"), remote("c:camera")]);
  await settle();
  assert.equal(offers.length, 1);
  await answer();
  assert.equal(offers.length, 2);
  assert.deepEqual(offers[1].subscribe, { 1: "b:camera", 2: "c:camera" });
  await answer();
  assert.equal(offers.length, 2);
});

test("a camera goes off and on without an offer, a screen with one", async () => {
  const { sfu, offers, answer, connections } = start();
  sfu.setLocal("camera", fakeTrack("video"));
  await settle();
  await answer();
  const [line] = connections[0].getTransceivers();
  sfu.setLocal("camera", null);
  await settle();
  assert.equal(line.sender.track, null);
  const again = fakeTrack("video");
  sfu.setLocal("camera", again);
  await settle();
  assert.equal(line.sender.track, again);
  assert.equal(offers.length, 1);
  const screen = fakeTrack("video");
  sfu.setLocal("screen", screen);
  await settle();
  assert.equal(screen.contentHint, "detail");
  assert.deepEqual(offers[1].publish, { 0: { source: "camera" }, 1: { source: "screen" } });
  await answer();
  sfu.setLocal("screen", null);
  await settle();
  assert.deepEqual(offers[2].publish, { 0: { source: "camera" } });
  await answer();
  sfu.setLocal("screen", fakeTrack("video"));
  await settle();
  assert.deepEqual(offers[3].publish, { 0: { source: "camera" }, 1: { source: "screen" } });
  assert.equal(connections[0].getTransceivers().length, 2);
});

test("the line of a track that went is used again for one of its kind", async () => {
  const { sfu, offers, answer, connections, events } = start();
  sfu.setRemote([remote("b:camera"), remote("b:microphone")]);
  await settle();
  await answer();
  sfu.setRemote([remote("b:microphone")]);
  await settle();
  assert.deepEqual(offers[1].subscribe, { 1: "b:microphone" });
  assert.equal(JSON.parse(offers[1].sdp).lines[0].direction, "inactive");
  await answer();
  sfu.setRemote([remote("b:microphone"), remote("c:camera")]);
  await settle();
  assert.deepEqual(offers[2].subscribe, { 0: "c:camera", 1: "b:microphone" });
  await answer();
  assert.equal(connections[0].getTransceivers().length, 2);
  assert.deepEqual(events, ["connecting", "+b:camera", "+b:microphone", "-b:camera", "+c:camera"]);
});

test("a track that is not there is asked for again when there is news of it, not before", async () => {
  const { sfu, offers, answer, events } = start();
  const gone = remote("b:camera");
  sfu.setRemote([gone]);
  await settle();
  await answer({ 0: null });
  assert.deepEqual(events, ["connecting"]);
  assert.equal(offers.length, 1);
  sfu.setRemote([gone]);
  await settle();
  assert.equal(offers.length, 1);
  sfu.setRemote([{ ...gone }]);
  await settle();
  assert.equal(offers.length, 2);
  await answer();
  assert.deepEqual(events, ["connecting", "+b:camera"]);
});

const failures = {
  "the server does not answer": ({ clock }) => clock.advance(10_000),
  "the server refuses the offer": ({ sfu, offers }) =>
    sfu.refuse({ type: "error", code: "sdp_malformed", message: "line 3", request: "webrtc", id: offers.at(-1).id }),
  "the server closes it": ({ sfu }) => sfu.media({ type: "media", state: "closed", reason: "consent" }),
  "the network fails and new names do not help": async ({ connections, clock, answer }) => {
    await answer();
    connections.at(-1).become("failed");
    await settle();
    await answer();
    await clock.advance(8000);
  },
};

for (const [name, fail] of Object.entries(failures))
  test(`a new connection when ${name}`, async () => {
    const world = start();
    const { sfu, offers, answer, connections, events, clock } = world;
    sfu.setLocal("camera", fakeTrack("video"));
    sfu.setRemote([remote("b:camera")]);
    await settle();
    await fail(world);
    await settle();
    assert.equal(events.at(-1), "waiting");
    assert.equal(connections[0].connectionState, "closed");
    await clock.advance(450);
    assert.equal(connections.length, 2);
    assert.deepEqual(offers.at(-1).publish, { 0: { source: "camera" } });
    assert.deepEqual(offers.at(-1).subscribe, { 1: "b:camera" });
    await answer();
    assert.equal(events.at(-1), "+b:camera");
  });

test("a failure says that what played is gone", async () => {
  const { sfu, answer, events } = start();
  sfu.setRemote([remote("b:camera")]);
  await settle();
  await answer();
  sfu.media({ type: "media", state: "closed", reason: "consent-expired" });
  assert.deepEqual(events, ["connecting", "+b:camera", "-b:camera", "waiting"]);
});

test("no media server: it stays quiet", async () => {
  const { sfu, offers, events, clock } = start();
  sfu.setLocal("camera", fakeTrack("video"));
  await settle();
  assert.equal(sfu.refuse({ type: "error", code: "media_unavailable", message: "p2p room", id: 1 }), true);
  sfu.setRemote([remote("b:camera")]);
  await clock.advance(60_000);
  assert.equal(offers.length, 1);
  assert.equal(events.at(-1), "unavailable");
});

test("errors and answers that are not about the offer change nothing", async () => {
  const { sfu, offers, answer, events } = start();
  sfu.setRemote([remote("b:camera")]);
  await settle();
  assert.equal(sfu.refuse({ type: "error", code: "invalid_field", message: "x", id: 99 }), false);
  sfu.receive({ type: "webrtc", action: "answer", from: "sfu", id: 99, sdp: "nonsense" });
  await settle();
  await answer();
  assert.deepEqual(events, ["connecting", "+b:camera"]);
  assert.equal(offers.length, 1);
});

test("closed is closed", async () => {
  const { sfu, offers, connections, clock, events, answer } = start();
  sfu.setRemote([remote("b:camera")]);
  await settle();
  await answer();
  sfu.close();
  sfu.setRemote([remote("c:camera")]);
  await clock.advance(60_000);
  assert.equal(connections[0].connectionState, "closed");
  assert.equal(offers.length, 1);
  assert.deepEqual(events.slice(-2), ["-b:camera", "closed"]);
  assert.equal(clock.waiting, 0);
});

test("nothing to send and nothing to receive is no reason to offer", async () => {
  const { sfu, offers } = start();
  sfu.setRemote([]);
  sfu.setLocal("camera", null);
  await settle();
  assert.equal(offers.length, 0);
});

test("a line offers the codecs of its track and their repair", async () => {
  const codecs = ["video/VP8", "video/rtx", "video/H264", "video/AV1"].map((mimeType) => ({ mimeType, clockRate: 90000 }));
  const names = (chosen) => chosen.map(({ mimeType }) => mimeType);
  assert.deepEqual(names(receivable(codecs, ["vp8"])), ["video/VP8", "video/rtx"]);
  assert.deepEqual(receivable(codecs, ["VP9"]), []);
  assert.deepEqual(receivable(codecs, []), []);
  const { sfu, connections } = start({ codecs: () => codecs });
  sfu.setRemote([remote("b:camera", { encodings: [{ rid: null, codec: "H264" }] })]);
  await settle();
  assert.deepEqual(names(connections[0].getTransceivers()[0].codecs), ["video/H264", "video/rtx"]);
});

test("encodings that nobody wants rest, and go on when the server says so or may have said so", async () => {
  const { sfu, connections, answer } = start();
  const track = { ...fakeTrack("video"), getSettings: () => ({ width: 1280, height: 720 }) };
  sfu.setLocal("camera", track);
  await settle();
  await answer();
  const { sender } = connections[0].getTransceivers()[0];
  const active = () => sender.getParameters().encodings.map((encoding) => [encoding.rid, encoding.active]);
  assert.deepEqual(active(), [["q", true], ["h", true], ["f", true]]);
  sfu.encodings({
    type: "encodings",
    trackId: "a:camera",
    encodings: [{ rid: "q", active: true }, { rid: "h", active: false }, { rid: "f", active: false }],
  });
  sfu.encodings({ type: "encodings", trackId: "a:screen", encodings: [{ rid: "", active: false }] });
  await settle();
  assert.deepEqual(active(), [["q", true], ["h", false], ["f", false]]);
  sfu.sendAll();
  await settle();
  assert.deepEqual(active(), [["q", true], ["h", true], ["f", true]]);
});
