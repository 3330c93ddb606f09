import assert from "node:assert/strict";
import { test } from "node:test";
import { Trace } from "../../web/static/app/trace.js";

test("requests of one join are of one trace and have ids of their own", () => {
  const trace = new Trace(() => 0);
  const [first, second] = [trace.parent(), trace.parent()];
  assert.match(first, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.equal(first.slice(0, 36), second.slice(0, 36));
  assert.notEqual(first, second);
  assert.notEqual(new Trace(() => 0).parent().slice(3, 35), first.slice(3, 35));
});

test("the baggage tells how long the person has waited", () => {
  let now = 1000.4;
  const trace = new Trace(() => now);
  now = 1250.2;
  assert.equal(trace.baggage(), "chatter.client=web,chatter.elapsed_ms=250");
});
