import assert from "node:assert/strict";
import { test } from "node:test";

import { layeredEncodings } from "../../web/static/chatter/sending.js";
import { Views } from "../../web/static/chatter/views.js";
import { FakeClock } from "./fakes.js";

function start() {
  const clock = new FakeClock();
  const sent = [];
  return { clock, sent, views: new Views({ send: (message) => (sent.push(message), true), clock }) };
}

const BIG = { width: 1280, height: 720, visible: true };
const SMALL = { width: 320.4, height: 180, visible: true };

test("a size is told once it has settled, and when the track comes", async () => {
  const { clock, sent, views } = start();
  views.set("b:camera", BIG);
  await clock.advance(5000);
  assert.deepEqual(sent, []);
  views.arrived("b:camera");
  await clock.advance(0);
  assert.deepEqual(sent.splice(0), [
    { type: "subscription", trackId: "b:camera", paused: false, priority: 0, width: 1280, height: 720 },
  ]);
  views.set("b:camera", { ...BIG, width: 900 });
  await clock.advance(100);
  views.set("b:camera", SMALL);
  await clock.advance(249);
  assert.deepEqual(sent, []);
  await clock.advance(1);
  assert.deepEqual(sent.map(({ width, height }) => [width, height]), [[320, 180]]);
});

test("a change that asks for no other layer is not told", async () => {
  const { clock, sent, views } = start();
  views.set("b:camera", BIG);
  views.arrived("b:camera");
  await clock.advance(0);
  views.set("b:camera", { ...BIG, width: 1200 });
  await clock.advance(5000);
  assert.equal(sent.length, 1);
  views.set("b:camera", { ...BIG, priority: 2 });
  await clock.advance(5000);
  assert.equal(sent[1].priority, 2);
});

test("what nobody sees is paused after a while, and comes back at once", async () => {
  const { clock, sent, views } = start();
  views.set("b:camera", BIG);
  views.arrived("b:camera");
  await clock.advance(0);
  views.set("b:camera", { ...BIG, visible: false });
  await clock.advance(1000);
  views.set("b:camera", BIG);
  await clock.advance(5000);
  assert.equal(sent.length, 1);
  views.set("b:camera", { ...BIG, visible: false });
  await clock.advance(2000);
  assert.equal(sent[1].paused, true);
  views.set("b:camera", BIG);
  assert.equal(sent[2].paused, false);
});

test("a track that comes anew is told anew; one that is gone is forgotten", async () => {
  const { clock, sent, views } = start();
  views.set("b:camera", BIG);
  views.arrived("b:camera");
  await clock.advance(0);
  views.arrived("b:camera");
  await clock.advance(0);
  assert.equal(sent.length, 2);
  views.set("b:camera", SMALL);
  views.gone("b:camera");
  await clock.advance(5000);
  assert.equal(sent.length, 2);
  assert.equal(clock.waiting, 0);
});

test("a camera is sent in as many sizes as it is large, a screen in its own", () => {
  const sized = (width, height) => ({ getSettings: () => ({ width, height }) });
  const rids = (source, track) => layeredEncodings(source, track).map(({ rid }) => rid);
  assert.deepEqual(rids("camera", sized(1280, 720)), ["q", "h", "f"]);
  assert.deepEqual(rids("camera", sized(720, 1280)), ["q", "h", "f"]);
  assert.deepEqual(rids("camera", sized(640, 360)), ["h", "f"]);
  assert.deepEqual(rids("camera", sized(320, 180)), [undefined]);
  assert.deepEqual(rids("camera", {}), [undefined]);
  assert.deepEqual(rids("screen", sized(1920, 1080)), [undefined]);
  assert.deepEqual(rids("microphone", {}), []);
  const scales = layeredEncodings("camera", sized(1280, 720)).map(({ scaleResolutionDownBy }) => scaleResolutionDownBy);
  assert.deepEqual(scales, [4, 2, 1]);
  assert.equal(layeredEncodings("screen", sized(1920, 1080))[0].scalabilityMode, "L1T3");
});
