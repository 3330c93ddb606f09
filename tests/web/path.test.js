import assert from "node:assert/strict";
import { test } from "node:test";

import { Arrivals } from "../../web/static/chatter/path.js";
import { SfuConnection } from "../../web/static/chatter/sfu.js";
import { FakeClock, answerTo, fakePeerConnections, fakeTrack, settle } from "./fakes.js";

async function connected({ receiving = true } = {}) {
  const clock = new FakeClock();
  const { FakePeerConnection, connections } = fakePeerConnections();
  const offers = [];
  const states = [];
  const sfu = new SfuConnection({
    send: (message) => (offers.push(message), true),
    RTCPeerConnection: FakePeerConnection,
    clock,
    random: () => 0.5,
  });
  sfu.on("state", ({ state }) => states.push(state));
  const answer = async () => {
    const { id, sdp, subscribe } = offers.at(-1);
    sfu.receive({ type: "webrtc", action: "answer", from: "sfu", id, sdp: answerTo(sdp), subscribe });
    await settle();
  };
  sfu.setLocal("camera", fakeTrack("video"));
  if (receiving)
    sfu.setRemote([{ id: "b:camera", clientId: "b", source: "camera", kind: "video", sfu: true, encodings: [] }]);
  await settle();
  await answer();
  const [pc] = connections;
  pc.become("connected");
  /** A packet each 50 ms. */
  const flow = async (milliseconds) => {
    for (let at = 0; at < milliseconds; at += 50) {
      pc.packetsReceived += 1;
      if (receiving) pc.getTransceivers()[1].receiver.heardAt = clock.now();
      await clock.advance(50);
    }
  };
  return { clock, connections, pc, offers, states, sfu, answer, flow };
}

for (const state of ["disconnected", "failed"])
  test(`${state}: ICE is restarted on the same connection`, async () => {
    const { pc, offers, connections, answer, states, clock } = await connected();
    pc.become(state);
    await settle();
    assert.equal(pc.restarts, 1);
    assert.equal(offers.length, 2);
    pc.become("failed");
    await settle();
    assert.equal(pc.restarts, 1);
    await answer();
    pc.become("connected");
    await clock.advance(60_000);
    assert.equal(connections.length, 1);
    assert.deepEqual(states, ["connecting", "connected"]);
    assert.equal(offers.length, 2);
  });

for (const receiving of [true, false])
  test(`nothing arrives any more, ${receiving ? "receiving" : "only sending"}: ICE is restarted within 500 ms`, async () => {
    const { pc, offers, clock, flow, answer } = await connected({ receiving });
    await flow(3000);
    assert.equal(pc.restarts, 0);
    await clock.advance(500);
    assert.equal(pc.restarts, 1);
    assert.equal(offers.length, 2);
    await answer();
    // It did not help, and is not tried again and again.
    await clock.advance(7000);
    assert.equal(pc.restarts, 1);
  });

test("media stops, but not what the server says: the others have switched it off", async () => {
  const { pc, clock, flow } = await connected();
  await flow(3000);
  for (let at = 0; at < 3000; at += 50) {
    pc.packetsReceived += 1;
    await clock.advance(50);
  }
  assert.equal(pc.restarts, 0);
});

test("what comes now and then may stop to come", async () => {
  const { pc, clock } = await connected();
  for (let at = 0; at < 10; at += 1) {
    pc.getTransceivers()[1].receiver.heardAt = clock.now();
    await clock.advance(450);
  }
  await clock.advance(5000);
  assert.equal(pc.restarts, 0);
});

test("another network: ICE is restarted at once, and once", async () => {
  const { pc, sfu, offers } = await connected();
  sfu.networkChanged();
  sfu.networkChanged();
  await settle();
  assert.equal(pc.restarts, 1);
  assert.equal(offers.length, 2);
});

test("a connection that is closed is watched no more", async () => {
  const { sfu, clock } = await connected();
  sfu.close();
  await clock.advance(1000);
  assert.equal(clock.waiting, 0);
});

test("arrivals have stopped only where they were steady", () => {
  const arrivals = new Arrivals();
  for (let at = 0; at <= 2000; at += 100) arrivals.note(at + 1, at);
  assert.equal(arrivals.stopped(2349), false);
  assert.equal(arrivals.stopped(2350), true);
  arrivals.note(9000, 2600);
  assert.equal(arrivals.stopped(3200), false);
  arrivals.reset();
  assert.equal(arrivals.stopped(9999), false);
});
