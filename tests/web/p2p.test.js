import assert from "node:assert/strict";
import { test } from "node:test";

import { Peer, sourcesOf } from "../../web/static/chatter/p2p.js";
import { fakePeerConnections, fakeTrack, settle } from "./fakes.js";

/** Two peers whose messages are carried by hand. */
function pair() {
  const ends = ["ann", "bob"].map((name) => {
    const { FakePeerConnection, connections } = fakePeerConnections();
    const outbox = [];
    const events = [];
    const peer = new Peer({
      remoteId: name === "ann" ? "bob" : "ann",
      polite: name === "bob",
      send: (message) => (outbox.push(structuredClone(message)), true),
      RTCPeerConnection: FakePeerConnection,
    });
    peer.on("track", ({ source }) => events.push(`+${source}`));
    peer.on("gone", ({ source }) => events.push(`-${source}`));
    return { name, peer, outbox, events, pc: connections[0] };
  });
  const [ann, bob] = ends;
  const log = [];
  /** Carries messages until none is under way. */
  const carry = async () => {
    for (;;) {
      await settle();
      const from = ends.find(({ outbox }) => outbox.length > 0);
      if (!from) return log;
      const message = from.outbox.shift();
      log.push(`${from.name} ${message.action}`);
      (from === ann ? bob : ann).peer.receive({ ...message, from: from.name });
    }
  };
  return { ann, bob, carry };
}

test("the sources of m-lines", async (t) => {
  const audio = (mid) => ({ mid, kind: "audio" });
  const video = (mid) => ({ mid, kind: "video" });
  const table = [
    ["unnamed, in their order", [audio("0"), video("1"), video("2"), audio("3")], {},
      { 0: "microphone", 1: "camera", 2: "screen", 3: "screen-audio" }],
    ["named", [video("0"), video("1")], { 0: { source: "screen" }, 1: { source: "camera" } }, { 0: "screen", 1: "camera" }],
    ["partly named", [video("0"), video("1")], { 1: { source: "camera" } }, { 0: "screen", 1: "camera" }],
    ["named as another kind: not believed", [audio("0")], { 0: { source: "camera" } }, {}],
    ["one too many", [video("0"), video("1"), video("2")], {}, { 0: "camera", 1: "screen" }],
  ];
  for (const [name, lines, named, expected] of table)
    await t.test(name, () => assert.deepEqual(Object.fromEntries(sourcesOf(lines, named)), expected));
});

test("one offer and one answer are enough for both to see and hear each other", async () => {
  const { ann, bob, carry } = pair();
  for (const { peer } of [ann, bob]) {
    peer.setLocal("microphone", fakeTrack("audio"));
    peer.setLocal("camera", fakeTrack("video"));
  }
  ann.peer.start();
  assert.deepEqual(await carry(), ["ann offer", "bob answer"]);
  for (const { events, pc } of [ann, bob]) {
    assert.deepEqual(events, ["+microphone", "+camera"]);
    assert.deepEqual(pc.getTransceivers().map(({ currentDirection }) => currentDirection), ["sendrecv", "sendrecv"]);
    assert.deepEqual(pc.getTransceivers().map(({ sender }) => sender.track?.kind), ["audio", "video"]);
  }
});

test("a camera that is switched on later needs no negotiation", async () => {
  const { ann, bob, carry } = pair();
  ann.peer.start();
  await carry();
  const track = fakeTrack("video");
  bob.peer.setLocal("camera", track);
  assert.deepEqual(await carry(), ["ann offer", "bob answer"]);
  assert.equal(bob.pc.getTransceivers()[1].sender.track, track);
  bob.peer.setLocal("camera", null);
  await carry();
  assert.equal(bob.pc.getTransceivers()[1].sender.track, null);
});

for (const who of ["ann", "bob"])
  test(`a screen shared by ${who} comes and goes`, async () => {
    const world = pair();
    const { ann, carry } = world;
    const [sharer, viewer] = who === "ann" ? [world.ann, world.bob] : [world.bob, world.ann];
    ann.peer.start();
    await carry();
    const screen = fakeTrack("video");
    sharer.peer.setLocal("screen", screen);
    await carry();
    assert.equal(viewer.events.at(-1), "+screen");
    assert.equal(screen.contentHint, "detail");
    sharer.peer.setLocal("screen", null);
    await carry();
    assert.equal(viewer.events.at(-1), "-screen");
    sharer.peer.setLocal("screen", screen);
    await carry();
    assert.equal(viewer.events.at(-1), "+screen");
    assert.equal(viewer.pc.getTransceivers().length, 3);
    assert.deepEqual(sharer.events, ["+microphone", "+camera"]);
  });

test("both share a screen in the same moment: the offers collide, both screens arrive", async () => {
  const { ann, bob, carry } = pair();
  ann.peer.start();
  await carry();
  ann.peer.setLocal("screen", fakeTrack("video"));
  bob.peer.setLocal("screen", fakeTrack("video"));
  const log = await carry();
  assert.ok(log.slice(2, 4).every((entry) => entry.endsWith("offer")), log.join());
  assert.equal(ann.events.at(-1), "+screen");
  assert.equal(bob.events.at(-1), "+screen");
  assert.deepEqual([ann, bob].map(({ pc }) => pc.signalingState), ["stable", "stable"]);
});

test("a client that names nothing is understood by the order of its lines", async () => {
  const { bob } = pair();
  bob.peer.receive({
    type: "webrtc", action: "offer", from: "ann", to: "bob",
    sdp: JSON.stringify({ lines: [{ mid: "0", kind: "video", direction: "sendrecv" }, { mid: "1", kind: "audio", direction: "sendonly" }] }),
  });
  await settle();
  assert.deepEqual(bob.events.toSorted(), ["+camera", "+microphone"]);
  assert.equal(bob.outbox[0].action, "answer");
});

test("a client that names its lines is believed", async () => {
  const { bob } = pair();
  const lines = ["0", "1"].map((mid) => ({ mid, kind: "video", direction: "sendonly" }));
  const publish = { 0: { source: "screen" }, 1: { source: "camera" } };
  bob.peer.receive({ type: "webrtc", action: "offer", from: "ann", to: "bob", sdp: JSON.stringify({ lines }), publish });
  await settle();
  assert.deepEqual(bob.events, ["+screen", "+camera"]);
});

test("candidates are carried both ways and kept in order behind the descriptions", async () => {
  const { ann, bob, carry } = pair();
  ann.peer.start();
  ann.pc.onicecandidate({ candidate: { toJSON: () => ({ candidate: "candidate:1", sdpMid: "0" }) } });
  ann.pc.onicecandidate({ candidate: null });
  await carry();
  assert.deepEqual(bob.pc.candidates, [{ candidate: "candidate:1", sdpMid: "0" }]);
});

test("a failed connection is restarted by one of the two, and a closed one is silent", async () => {
  const { ann, bob, carry } = pair();
  ann.peer.start();
  await carry();
  ann.pc.become("failed");
  bob.pc.become("failed");
  assert.deepEqual([ann.pc.restarts, bob.pc.restarts], [1, 0]);
  ann.peer.close();
  ann.peer.setLocal("camera", fakeTrack("video"));
  await settle();
  assert.deepEqual(ann.events, ["+microphone", "+camera", "-microphone", "-camera"]);
  assert.equal(ann.pc.connectionState, "closed");
});
