import assert from "node:assert/strict";
import { test } from "node:test";

import { Rooms } from "../../web/static/chatter/rooms.js";

function asking(answer) {
  const asked = [];
  const rooms = new Rooms(async (...request) => {
    asked.push(request);
    return answer;
  });
  return { rooms, asked };
}

const created = [
  [{ name: " Standup ", access: "everybody", mode: null }, { name: "Standup", guests: "allow", lobby: false }],
  [{ name: "", access: "accounts", mode: "sfu" }, { name: "", guests: "deny", lobby: false, mode: "sfu" }],
  [{ name: "x", access: "lobby", mode: "auto" }, { name: "x", guests: "allow", lobby: true, mode: "auto" }],
];

for (const [wanted, body] of created)
  test(`a new room for ${wanted.access}`, async () => {
    const { rooms, asked } = asking({ roomId: "a1b2", wsUrl: "ws://x" });
    assert.equal(await rooms.create(wanted), "a1b2");
    assert.deepEqual(asked, [["POST", "/rooms", body]]);
  });

test("one's rooms, page by page", async () => {
  const first = asking({ items: [{ roomId: "a" }], nextCursor: "x/+=" });
  assert.deepEqual(await first.rooms.list(), { rooms: [{ roomId: "a" }], next: "x/+=" });
  const last = asking({ items: [], nextCursor: null });
  assert.deepEqual(await last.rooms.list("x/+="), { rooms: [], next: null });
  assert.deepEqual([...first.asked, ...last.asked], [["GET", "/rooms"], ["GET", "/rooms?cursor=x%2F%2B%3D"]]);
});

test("ending and deleting", async () => {
  const { rooms, asked } = asking(null);
  await rooms.end("a-b_C");
  await rooms.delete("a-b_C");
  assert.deepEqual(asked, [["POST", "/rooms/a-b_C/end"], ["DELETE", "/rooms/a-b_C"]]);
});

test("a refusal is the caller's", async () => {
  const rooms = new Rooms(async () => {
    throw new Error("too many rooms");
  });
  await assert.rejects(rooms.create({ name: "", access: "everybody", mode: null }), /too many rooms/);
});
