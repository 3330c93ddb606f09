import assert from "node:assert/strict";
import { test } from "node:test";

import { Outgoing } from "../../web/static/chatter/outgoing.js";

const chat = (text) => ({ type: "chat", text });
const texts = (said) => said.map((text) => JSON.parse(text)).map(({ type, text }) => text ?? type);

function after(...messages) {
  const outgoing = new Outgoing();
  for (const [message, sent] of messages) outgoing.add(message, sent);
  return outgoing;
}

const said = [[chat("a"), true], [chat("b"), true], [{ type: "webrtc" }, true], [{ type: "tracks" }, false], [chat("c"), false]];

for (const [received, expected] of [
  [0, ["a", "b", "webrtc", "tracks", "c"]],
  [1, ["b", "webrtc", "tracks", "c"]],
  [3, ["tracks", "c"]],
])
  test(`resumed where the server has ${received}: the others are sent again, then what waited`, () => {
    assert.deepEqual(texts(after(...said).resume(received)), expected);
  });

test("each is sent once more only", () => {
  const outgoing = after(...said);
  outgoing.resume(3);
  assert.deepEqual(outgoing.resume(5), []);
});

test("a new participant says what waited, and only what does not belong to the old one", () => {
  const outgoing = after(...said);
  assert.deepEqual(texts(outgoing.restart()), ["c"]);
  outgoing.add(chat("d"), true);
  assert.deepEqual(texts(outgoing.resume(1)), ["d"], "the server counts from the start again");
  assert.deepEqual(outgoing.restart(), []);
});

test("what was sent gives way to what waits, and what waits is bounded", () => {
  const outgoing = new Outgoing();
  for (let number = 0; number < 128; number += 1) outgoing.add(chat(`sent ${number}`), true);
  const waiting = Array.from({ length: 128 }, (_, number) => outgoing.add(chat(`${number}`), false));
  assert.ok(waiting.every((text) => text !== null));
  assert.equal(outgoing.add(chat("one more"), false), null);
  assert.equal(outgoing.resume(128).length, 128);
});

test("the bound is one of characters, too", () => {
  const outgoing = new Outgoing();
  for (let number = 0; number < 4; number += 1) assert.ok(outgoing.add(chat("x".repeat(240_000)), false));
  assert.equal(outgoing.add(chat("x".repeat(240_000)), false), null);
  assert.ok(outgoing.add(chat("short"), false));
});
