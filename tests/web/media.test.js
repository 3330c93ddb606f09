import assert from "node:assert/strict";
import { test } from "node:test";

import { Emitter } from "../../web/static/chatter/emitter.js";
import { decoded, firstFrame } from "../../web/static/chatter/first-frame.js";
import { Incoming, pathOf } from "../../web/static/chatter/incoming.js";
import { listen, silent, Speakers } from "../../web/static/chatter/speaking.js";
import { FakeClock, fakeTrack } from "./fakes.js";

test("the path that is played", async (t) => {
  const table = [
    [{ p2p: null, sfu: null, sfuLive: false }, null],
    [{ p2p: 1, sfu: null, sfuLive: false }, "p2p"],
    [{ p2p: 1, sfu: 1, sfuLive: false }, "p2p"],
    [{ p2p: 1, sfu: 1, sfuLive: true }, "sfu"],
    [{ p2p: null, sfu: 1, sfuLive: false }, "sfu"],
  ];
  for (const [paths, expected] of table)
    await t.test(JSON.stringify(paths), () => assert.equal(pathOf(paths), expected));
});

test("a frame of an earlier arrival makes nothing live", () => {
  const incoming = new Incoming();
  const shown = [];
  incoming.on("shown", ({ path }) => shown.push(path));
  const arrival = () => ({ track: fakeTrack("video"), receiver: {} });
  const [direct, first, second] = [arrival(), arrival(), arrival()];
  incoming.arrive("b:camera", "p2p", direct);
  incoming.arrive("b:camera", "sfu", first);
  incoming.arrive("b:camera", "sfu", second);
  incoming.live("b:camera", first);
  assert.deepEqual(shown, ["p2p"]);
  incoming.live("b:camera", second);
  incoming.depart("b:camera", "p2p");
  incoming.depart("b:camera", "sfu");
  incoming.depart("b:camera", "sfu");
  assert.deepEqual(shown, ["p2p", "sfu", null]);
  assert.deepEqual(incoming.trackIds(), []);
});

test("speech begins loud, goes on softer, and survives a pause", async (t) => {
  const table = [
    ["silence", [[0, 0]], [false]],
    ["not loud enough to begin", [[0.015, 0]], [false]],
    ["loud enough", [[0.02, 0]], [true]],
    ["softer, but going on", [[0.1, 0], [0.012, 500], [0.012, 1000], [0, 1500]], [true, true, true, true]],
    ["a pause", [[0.1, 0], [0, 599], [0, 600]], [true, true, false]],
    ["again after the end", [[0.1, 0], [0, 700], [0.015, 800], [0.03, 900]], [true, false, false, true]],
  ];
  for (const [name, levels, expected] of table)
    await t.test(name, () => {
      let speech = silent;
      const heard = levels.map(([level, now]) => (speech = listen(speech, level, now)).speaking);
      assert.deepEqual(heard, expected);
    });
});

test("who is no longer there is not heard", () => {
  const speakers = new Speakers();
  assert.deepEqual([...speakers.update(new Map([["a", 0.5], ["b", 0]]), 0)], ["a"]);
  assert.deepEqual([...speakers.update(new Map([["b", 0.5]]), 10)], ["b"]);
});

function receiverWith(...reports) {
  return {
    getStats: async () =>
      new Map((reports.length > 1 ? reports.shift() : reports[0]).map((entry, index) => [index, { type: "inbound-rtp", ...entry }])),
  };
}

test("what counts as decoded", () => {
  const report = new Map([
    [1, { type: "inbound-rtp", kind: "video", ssrc: 1, framesDecoded: 3, packetsReceived: 90 }],
    [2, { type: "inbound-rtp", kind: "audio", ssrc: 2, packetsReceived: 7 }],
    [3, { type: "inbound-rtp", kind: "video", ssrc: 3 }],
    [4, { type: "codec" }],
  ]);
  assert.deepEqual([...decoded(report)], [[1, 3], [2, 7], [3, 0]]);
});

const frames = {
  "the first of a new line": [[[], [{ kind: "video", ssrc: 1, framesDecoded: 0 }], [{ kind: "video", ssrc: 1, framesDecoded: 1 }]], 100],
  "packets of sound": [[[], [{ kind: "audio", ssrc: 1, packetsReceived: 1 }]], 50],
  "not those of the track before": [
    [
      [{ kind: "video", ssrc: 1, framesDecoded: 500 }],
      [{ kind: "video", ssrc: 1, framesDecoded: 500 }, { kind: "video", ssrc: 2, framesDecoded: 0 }],
      [{ kind: "video", ssrc: 2, framesDecoded: 1 }],
    ],
    100,
  ],
};

for (const [name, [reports, after]] of Object.entries(frames))
  test(`the first frame: ${name}`, async () => {
    const clock = new FakeClock();
    let done = false;
    void firstFrame(receiverWith(...reports), clock, new AbortController().signal).then(() => (done = true));
    await clock.advance(after - 1);
    assert.equal(done, false);
    await clock.advance(1);
    assert.equal(done, true);
  });

test("nobody waits for a frame of a call that is over", async () => {
  const clock = new FakeClock();
  const aborter = new AbortController();
  void firstFrame(receiverWith([]), clock, aborter.signal);
  await clock.advance(200);
  aborter.abort();
  await clock.advance(200);
  assert.equal(clock.waiting, 0);
});

test("a listener that throws stops nobody, and its error is not lost", (t) => {
  const emitter = new Emitter();
  const heard = [];
  const later = [];
  t.mock.method(globalThis, "queueMicrotask", (task) => later.push(task));
  const off = emitter.on("x", (detail) => heard.push(detail));
  emitter.on("x", () => {
    throw new Error("mine");
  });
  emitter.on("x", (detail) => heard.push(detail));
  emitter.emit("x", 1);
  off();
  emitter.emit("nobody listens", 1);
  assert.deepEqual(heard, [1, 1]);
  assert.equal(later.length, 1);
  assert.throws(later[0], /^Error: mine$/);
});
