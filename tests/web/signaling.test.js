import assert from "node:assert/strict";
import { test } from "node:test";

import { reconnectDelay } from "../../web/static/chatter/backoff.js";
import { Signaling, afterClose } from "../../web/static/chatter/signaling.js";
import { FakeClock, fakeWebSockets, settle } from "./fakes.js";

const WELCOME = { type: "welcome", clientId: "me", participants: [], tracks: [] };

function start({ url = async () => "ws://host/ws/room" } = {}) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const signaling = new Signaling({ url, WebSocket: FakeWebSocket, clock, random: () => 0.5 });
  const states = [];
  const refusals = [];
  const messages = [];
  signaling.on("state", ({ state, retryInMs }) => states.push(retryInMs === null ? state : `${state} ${retryInMs}`));
  signaling.on("refused", (refusal) => refusals.push(refusal));
  signaling.on("message", (message) => messages.push(message.type));
  return { clock, sockets, signaling, states, refusals, messages };
}

test("what follows a close", async (t) => {
  const table = [
    [{ closeCode: 1006 }, "retry"],
    [{ closeCode: 1001 }, "retry"],
    [{ closeCode: 4408 }, "retry"],
    [{ closeCode: 4410 }, "retry"],
    [{ closeCode: 4410, code: "server_stopping" }, "retry"],
    [{ closeCode: 4410, code: "room_closed" }, "stop"],
    [{ closeCode: 4423 }, "stop"],
    [{ closeCode: 4411 }, "stop"],
    [{ closeCode: 4412 }, "rejoin"],
    [{ closeCode: 4400 }, "stop"],
    [{ closeCode: 4403 }, "stop"],
    [{ closeCode: 4401 }, "refresh"],
    [{ closeCode: 4401, refreshed: true }, "stop"],
    [{ closeCode: 4404 }, "stop"],
    [{ closeCode: 4404, welcomed: true }, "retry"],
    [{ closeCode: 4404, welcomed: true, attempt: 11 }, "retry"],
    [{ closeCode: 4404, welcomed: true, attempt: 40 }, "stop"],
    [{ closeCode: 4409 }, "stop"],
    [{ closeCode: 4409, welcomed: true }, "retry"],
  ];
  for (const [close, expected] of table)
    await t.test(JSON.stringify(close), () => {
      assert.equal(afterClose({ welcomed: false, refreshed: false, attempt: 0, ...close }), expected);
    });
});

test("the wait doubles up to a limit and half of it is chance", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 50, 5000].map((attempt) => [reconnectDelay(attempt, 0), reconnectDelay(attempt, 1)]),
    [[300, 600], [600, 1200], [1000, 2000], [1000, 2000], [1000, 2000], [1000, 2000], [1000, 2000], [7500, 15000]],
  );
});

test("it is open when welcomed, not when connected", async () => {
  const { signaling, sockets, states } = start();
  signaling.open();
  await settle();
  assert.equal(signaling.send({ type: "chat", text: "early" }), false);
  assert.deepEqual(states, ["connecting"]);
  sockets[0].say(WELCOME);
  assert.deepEqual(states, ["connecting", "open"]);
  assert.equal(signaling.send({ type: "chat", text: "hello" }), true);
  assert.deepEqual(sockets[0].sent, [{ type: "chat", text: "hello" }]);
});

test("a lost connection comes back, later each time, and sooner after a good one", async () => {
  const { signaling, sockets, states, clock } = start();
  signaling.open();
  await settle();
  sockets[0].say(WELCOME);
  sockets[0].end(1006);
  await clock.advance(450);
  sockets[1].end(1006);
  await clock.advance(900);
  sockets[2].say(WELCOME);
  await clock.advance(9_000);
  sockets[2].end(1006);
  await clock.advance(1800);
  sockets[3].say(WELCOME);
  await clock.advance(12_000);
  sockets[3].end(1006);
  assert.deepEqual(states, [
    "connecting", "open", "waiting 450", "connecting", "waiting 900", "connecting", "open", "waiting 1500",
    "connecting", "open", "waiting 450",
  ]);
});

test("silence is noticed: a ping first, then the connection is given up", async () => {
  const { signaling, sockets, states, clock } = start();
  signaling.open();
  await settle();
  sockets[0].say(WELCOME);
  await clock.advance(10_000);
  assert.deepEqual(sockets[0].sent, [{ type: "ping" }]);
  sockets[0].say({ type: "pong" });
  await clock.advance(19_000);
  assert.equal(sockets[0].closedWith, null);
  await clock.advance(11_000);
  assert.equal(sockets[0].closedWith, 1000);
  assert.equal(states.at(-2), "waiting 450");
});

test("a server that does not answer is given up after ten seconds", async () => {
  const { signaling, sockets, clock, states } = start();
  signaling.open();
  await clock.advance(9_999);
  assert.equal(sockets[0].closedWith, null);
  await clock.advance(1);
  assert.equal(sockets[0].closedWith, 1000);
  assert.equal(states.at(-1), "waiting 450");
});

test("a refused token is renewed once, silently", async () => {
  const asked = [];
  const { signaling, sockets, refusals, states } = start({
    url: async (refused) => {
      asked.push(refused);
      return "ws://host/ws/room";
    },
  });
  const expired = { type: "error", code: "token_expired", message: "The token has expired." };
  signaling.open();
  await settle();
  sockets[0].say(expired);
  sockets[0].end(4401);
  await settle();
  assert.deepEqual(asked, [null, "token_expired"]);
  assert.deepEqual(refusals, []);
  sockets[1].say(expired);
  sockets[1].end(4401);
  await settle();
  assert.deepEqual(refusals, [{ code: "token_expired", message: "The token has expired." }]);
  assert.equal(states.at(-1), "closed");
  assert.equal(sockets.length, 2);
});

test("a refusal ends it with the server's reason", async () => {
  const { signaling, sockets, refusals, clock, messages } = start();
  signaling.open();
  await settle();
  sockets[0].say({ type: "error", code: "room_full", message: "50 people are here." });
  sockets[0].end(4409);
  await clock.advance(60_000);
  assert.deepEqual(refusals, [{ code: "room_full", message: "50 people are here." }]);
  assert.deepEqual(messages, []);
  assert.equal(sockets.length, 1);
});

test("no address now (the token cannot be renewed): it waits and asks again", async () => {
  let reachable = false;
  const { signaling, sockets, clock, states } = start({
    url: async () => {
      if (!reachable) throw new Error("unreachable");
      return "ws://host/ws/room";
    },
  });
  signaling.open();
  await settle();
  assert.equal(states.at(-1), "waiting 450");
  reachable = true;
  await clock.advance(450);
  assert.equal(sockets.length, 1);
});

test("the wait can be cut short, and a close is for good", async () => {
  const { signaling, sockets, clock, states } = start();
  signaling.open();
  await settle();
  sockets[0].say(WELCOME);
  sockets[0].end(1006);
  signaling.retryNow();
  await settle();
  assert.equal(sockets.length, 2);
  signaling.retryNow();
  await settle();
  assert.equal(sockets.length, 2, "a try that is under way is left alone");
  signaling.close();
  assert.equal(sockets[1].closedWith, 1000);
  await clock.advance(60_000);
  assert.equal(sockets.length, 2);
  assert.equal(states.at(-1), "closed");
  assert.equal(clock.waiting, 0);
});

test("what an abandoned connection says is not heard", async () => {
  const { signaling, sockets, clock, messages } = start();
  signaling.open();
  await settle();
  const late = sockets[0].onmessage;
  await clock.advance(10_500);
  late({ data: JSON.stringify(WELCOME) });
  assert.deepEqual(messages, []);
});

test("who waits in the lobby is connected, comes back by the token, and is welcomed later", async () => {
  const { signaling, sockets, states, messages } = start();
  signaling.open();
  await settle();
  const lobby = { type: "lobby", clientId: "me", roomId: "r", room: { name: "" }, seq: 1 };
  sockets[0].say({ ...lobby, resume: { token: "t1", seconds: 30 } });
  assert.deepEqual([states.at(-1), messages], ["open", ["lobby"]]);
  sockets[0].say({ ...WELCOME, seq: 2 });
  assert.deepEqual(messages, ["lobby", "welcome"]);
});
