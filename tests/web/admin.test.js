import assert from "node:assert/strict";
import { test } from "node:test";
import { ceiling, linePath } from "../../web/static/admin/chart.js";
import { ago, bitrate, bytes, count, duration, milliseconds, percent } from "../../web/static/admin/format.js";
import { Stream, eventReader } from "../../web/static/admin/stream.js";

test("figures are short and have the unit that fits", () => {
  for (const [written, expected] of [
    [bitrate(0), "0 bit/s"],
    [bitrate(126_400), "126 kbit/s"],
    [bitrate(2_540_000), "2.5 Mbit/s"],
    [bitrate(3e9), "3 Gbit/s"],
    [percent(0), "0 %"],
    [percent(0.0312), "3.1 %"],
    [percent(0.5), "50 %"],
    [bytes(146e6), "146 MB"],
    [bytes(2.5e9), "2.5 GB"],
    [milliseconds(null), "–"],
    [milliseconds(0.0005), "0.5 ms"],
    [milliseconds(0.25), "250 ms"],
    [milliseconds(30), "30 s"],
    [count(9999), "9999"],
    [count(123_456), "123 k"],
    [count(2_500_000), "2.5 M"],
    [duration(59), "59 s"],
    [duration(60), "1 min"],
    [duration(3 * 3600 + 120), "3 h 2 min"],
    [duration(80 * 3600), "3 days"],
    [ago(100, 101_000), "now"],
    [ago(100, 160_000), "1 min ago"],
    [ago(200, 100_000), "now"],
  ])
    assert.equal(written, expected);
});

test("a scale ends at a round number", () => {
  assert.deepEqual([0, 0.3, 1, 1.2, 3, 7, 99, 101].map(ceiling), [1, 0.5, 1, 2, 5, 10, 100, 200]);
});

test("a line goes through all values, and not above the top", () => {
  assert.equal(linePath([1], 1), "");
  assert.equal(linePath([0, 10, 20], 10, 100, 46), "M0.0 44.0L50.0 4.0L100.0 4.0");
  assert.equal(linePath([0, 10, 10], 10, 100, 46, [0, 0.1, 1]), "M0.0 44.0L10.0 4.0L100.0 4.0");
});

test("events are put together from pieces", () => {
  const read = eventReader();
  assert.deepEqual(read('data: {"a"'), []);
  assert.deepEqual(read(":1}\n\n: still here\n\nda"), ['{"a":1}']);
  assert.deepEqual(read("ta: 2\n\ndata: 3\n\n"), ["2", "3"]);
});

/** @param {string[]} pieces */
function answer(pieces, status = 200) {
  return new Response(new Blob([pieces.join("")]).stream(), { status });
}

test("a stream gives states, and ends when it is refused", async () => {
  const answers = [answer(['data: {"n":1}\n\n', 'data: {"n":2}\n\n']), answer(["{}"], 503), answer(["{}"], 403)];
  const seen = [];
  const stream = new Stream({
    open: async () => /** @type {Response} */ (answers.shift()),
    onState: ({ n }) => seen.push(n),
    onChange: ({ state }) => seen.push(state),
  });
  await stream.restart();
  assert.deepEqual(seen, ["live", 1, "live", 2, "waiting", "waiting", "refused"]);
});

test("what is asked for anew takes the place of what was", async () => {
  const signals = [];
  const stream = new Stream({
    open: (signal) => {
      signals.push(signal);
      if (signals.length === 2) return Promise.resolve(answer(["{}"], 401));
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    },
    onState: () => {},
    onChange: ({ state }) => signals.push(state),
  });
  const first = stream.restart();
  await stream.restart();
  await first;
  assert.equal(signals[0].aborted, true);
  assert.deepEqual(signals.slice(2), ["refused"]);
});
