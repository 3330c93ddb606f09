import assert from "node:assert/strict";
import { test } from "node:test";

import { DataChannels, open, seal } from "../../web/static/chatter/data.js";
import { SfuConnection } from "../../web/static/chatter/sfu.js";
import { FakeClock, answerTo, fakePeerConnections, settle } from "./fakes.js";

const bytes = (text) => new TextEncoder().encode(text);

test("a message is a line of JSON, a line feed and the payload", () => {
  assert.equal(seal("hi", {}), "\nhi");
  assert.equal(seal("hi", { to: ["b"], topic: "t" }), '{"to":["b"],"topic":"t"}\nhi');
  assert.deepEqual(seal(new Uint8Array([0, 255]), { topic: "t" }), new Uint8Array([...bytes('{"topic":"t"}\n'), 0, 255]));
});

test("what the server writes is read", () => {
  assert.deepEqual(open('{"from":"b"}\na\nb'), { from: "b", topic: "", payload: "a\nb" });
  const binary = new Uint8Array([...bytes('{"from":"b","topic":"t"}\n'), 0, 10]).buffer;
  assert.deepEqual(open(binary), { from: "b", topic: "t", payload: new Uint8Array([0, 10]) });
});

for (const message of ["", "hi", "\nhi", "{\nhi", '{"from":1}\nhi', "[]\n", "null\n", new ArrayBuffer(3)])
  test(`what it does not write is nothing: ${JSON.stringify(message)}`, () => assert.equal(open(message), null));

function channels() {
  const { FakePeerConnection, connections } = fakePeerConnections();
  const made = new DataChannels(new FakePeerConnection({}));
  const [pc] = connections;
  return { made, pc, reliable: pc.channels[0], lossy: pc.channels[1] };
}

test("each kind of message has its channel, once it is open", () => {
  const { made, reliable, lossy } = channels();
  assert.deepEqual(lossy.init, { ordered: false, maxRetransmits: 0 });
  assert.equal(made.send("early"), false);
  reliable.readyState = lossy.readyState = "open";
  assert.equal(made.send("1"), true);
  assert.equal(made.send("2", { lossy: true }), true);
  assert.deepEqual([reliable.sent, lossy.sent], [["\n1"], ["\n2"]]);
});

test("what waits is bounded, and so is a message", () => {
  const { made, pc, reliable, lossy } = channels();
  reliable.readyState = lossy.readyState = "open";
  lossy.bufferedAmount = 65_530;
  assert.equal(made.send("x".repeat(10), { lossy: true }), false);
  reliable.bufferedAmount = 1_048_576;
  assert.equal(made.send("x"), false);
  pc.sctp = { maxMessageSize: 10 };
  assert.throws(() => made.send("ü".repeat(5)), { name: "RangeError", message: /has 11 bytes, expected at most 10/ });
});

test("a connection with data makes channels before its first offer and hears them", async () => {
  const { FakePeerConnection, connections } = fakePeerConnections();
  const offers = [];
  const heard = [];
  const sfu = new SfuConnection({
    send: (message) => (offers.push(message), true),
    RTCPeerConnection: FakePeerConnection,
    clock: new FakeClock(),
    data: true,
  });
  sfu.on("data", (message) => heard.push(message));
  assert.equal(sfu.sendData("early"), false);
  // Nothing to show and nobody to see: data alone is worth a connection.
  sfu.setRemote([]);
  await settle();
  assert.equal(offers.length, 1);
  const { id, sdp } = offers[0];
  sfu.receive({ type: "webrtc", action: "answer", from: "sfu", id, sdp: answerTo(sdp), subscribe: {} });
  await settle();
  assert.equal(offers.length, 1);
  const [reliable] = connections[0].channels;
  reliable.readyState = "open";
  assert.equal(sfu.sendData("hi", { to: ["b"] }), true);
  reliable.onmessage({ data: '{"from":"b"}\nhello' });
  assert.deepEqual(heard, [{ from: "b", topic: "", payload: "hello" }]);
});
