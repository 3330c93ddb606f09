import assert from "node:assert/strict";
import { test } from "node:test";

import { explain, milliseconds, percent, rate, summary } from "../../web/static/app/explain.js";

const received = { path: "sfu" };
const wanted = { reason: "wanted" };
const cause = { code: "downlink_loss", text: "your downlink loses 6 % of packets", trackId: null };

for (const [facts, sentence] of [
  [{ muted: true, received, consumer: { cause } }, "Ann has switched this off."],
  [{ received, consumer: { paused: true } }, "It is stopped, because it is not on your screen now."],
  [{ received, consumer: { cause }, subscription: { reason: "bandwidth" } }, "Your downlink loses 6 % of packets."],
  [{ received, subscription: { reason: "bandwidth" } }, "You get a smaller picture, because your connection carries no more now."],
  [{ received, subscription: { reason: "publisher" } }, "You get what Ann sends: a larger picture is not sent, or not yet."],
  [{}, "It is asked for, and nothing has come yet."],
  [{ received: { path: "p2p" } }, "It comes directly from Ann, without a server in between."],
  [{ received, consumer: { cause: null }, subscription: wanted }, "You get all that fits your screen."],
  [{ received, consumer: { cause: null } }, "Nothing is wrong."],
])
  test(`why: ${sentence}`, () => assert.equal(explain({ name: "Ann", muted: false, ...facts }), sentence));

for (const [quality, direct, sentence] of [
  [{ score: 38, grade: "poor", cause }, false, "Your downlink loses 6 % of packets."],
  [{ score: 100, grade: "good", cause: null }, false, "Nothing is wrong."],
  [undefined, true, "The call goes directly between you, so the server cannot judge it."],
  [undefined, false, "It is not known yet."],
])
  test(`one's own: ${sentence}`, () => assert.equal(summary(quality, direct), sentence));

test("figures", () => {
  assert.deepEqual([null, 0, 64_400, 2_540_000].map(rate), ["–", "0 kbit/s", "64 kbit/s", "2.5 Mbit/s"]);
  assert.deepEqual([undefined, 0, 0.004, 0.06, 0.25].map(percent), ["–", "0 %", "0.4 %", "6.0 %", "25 %"]);
  assert.deepEqual([null, 0.0234].map(milliseconds), ["–", "23 ms"]);
});
