import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange, grid } from "../../web/static/app/layout.js";
import { split } from "../../web/static/app/links.js";
import { hue, initials } from "../../web/static/app/names.js";
import { ago, withVisit } from "../../web/static/app/recent-rooms.js";
import { roomIdOf } from "../../web/static/app/room-code.js";
import { expiryOf } from "../../web/static/app/session.js";
import { deviceProblem, refusal } from "../../web/static/app/words.js";

const AREAS = {
  desktop: { width: 1416, height: 804 },
  "with a panel": { width: 1064, height: 804 },
  phone: { width: 374, height: 760 },
  "phone on its side": { width: 828, height: 320 },
};
// Of the area, by the number of tiles: what a grid of that many must cover at least.
const COVERED = { 3: 0.6, 4: 0.9, 6: 0.75, 9: 0.85, 12: 0.75, 16: 0.75, 25: 0.7, 49: 0.7 };

function overlap(a, b) {
  const over = (x, w, y, v) => Math.min(x + w, y + v) - Math.max(x, y) > 0.01;
  return over(a.x, a.width, b.x, b.width) && over(a.y, a.height, b.y, b.height);
}

for (const [name, area] of Object.entries(AREAS))
  test(`a grid on a ${name}: inside, apart, of one size, in good shape`, () => {
    for (let count = 1; count <= 60; count += 1) {
      const boxes = grid(count, area, 8);
      assert.equal(boxes.length, count);
      for (const [index, box] of boxes.entries()) {
        assert.ok(box.x >= -0.01 && box.y >= -0.01, `${count} ${JSON.stringify(box)}`);
        assert.ok(box.x + box.width <= area.width + 0.01 && box.y + box.height <= area.height + 0.01);
        const aspect = box.width / box.height;
        assert.ok(aspect >= 0.749 && aspect <= 16 / 9 + 0.001, `${count} tiles of ${aspect}`);
        assert.deepEqual([box.width, box.height], [boxes[0].width, boxes[0].height]);
        const row = boxes.filter(({ y }) => y === box.y);
        const [left, right] = [row[0].x, area.width - row.at(-1).x - row.at(-1).width];
        assert.ok(Math.abs(left - right) < 0.01, `${count}: a row is not centred`);
        for (const other of boxes.slice(index + 1)) assert.ok(!overlap(box, other), `${count} overlap`);
      }
    }
  });

test("a grid covers the area well", () => {
  const area = AREAS.desktop;
  for (const [count, least] of Object.entries(COVERED)) {
    const [{ width, height }] = grid(Number(count), area, 8);
    const covered = (Number(count) * width * height) / (area.width * area.height);
    assert.ok(covered >= least, `${count} tiles cover ${covered.toFixed(2)}`);
  }
});

test("no room for a grid", () => {
  assert.deepEqual(grid(0, AREAS.desktop, 8), []);
  assert.deepEqual(grid(3, { width: 0, height: 100 }, 8), []);
});

test("alone and in pairs", () => {
  for (const area of Object.values(AREAS)) {
    assert.deepEqual(arrange({ screens: 0, tiles: 1 }, area, 8).tileBoxes, [{ x: 0, y: 0, ...area }]);
    const { tileBoxes, pip } = arrange({ screens: 0, tiles: 2 }, area, 8);
    assert.equal(pip, true);
    assert.deepEqual(tileBoxes[0], { x: 0, y: 0, ...area });
    assert.ok(tileBoxes[1].width < area.width / 2 && tileBoxes[1].x > 0 && tileBoxes[1].y > 0);
  }
});

test("a shared screen is large, the others are in a strip that leaves it alone", () => {
  for (const [name, area] of Object.entries(AREAS)) {
    const { screens, tiles, screenBoxes, tileBoxes, scrolls } = arrange({ screens: 1, tiles: 12 }, area, 8);
    assert.ok((screens.width * screens.height) / (area.width * area.height) > 0.7, name);
    assert.ok(!overlap(screens, tiles), name);
    assert.equal(scrolls, true);
    assert.deepEqual(screenBoxes, [{ x: 0, y: 0, width: screens.width, height: screens.height }]);
    assert.equal(tileBoxes.length, 12);
    for (const box of tileBoxes) assert.ok(box.width <= tiles.width + 0.01 && box.height <= tiles.height + 0.01);
  }
  assert.equal(arrange({ screens: 2, tiles: 3 }, AREAS.desktop, 8).screenBoxes.length, 2);
});

test("links in messages", async (t) => {
  const table = [
    ["plain text", []],
    ["see https://example.org/a?b=c#d now", ["https://example.org/a?b=c#d"]],
    ["https://example.org.", ["https://example.org"]],
    ["(https://example.org/x)", ["https://example.org/x"]],
    ["https://en.example.org/wiki/A_(b)", ["https://en.example.org/wiki/A_(b)"]],
    ["http://a.example, http://b.example!", ["http://a.example", "http://b.example"]],
    ["javascript:alert(1) data:text/html,x ftp://x", []],
    ["https://", []],
    ["https://%%/x", []],
    ["<a href='https://evil.example'>x</a>", ["https://evil.example"]],
  ];
  for (const [text, expected] of table)
    await t.test(text, () => {
      const pieces = split(text);
      assert.equal(pieces.map((piece) => piece.text).join(""), text);
      assert.deepEqual(pieces.filter(({ href }) => href).map((piece) => piece.text), expected);
      for (const { href } of pieces) assert.ok(href === null || /^https?:/.test(href));
    });
});

test("the room that is meant", async (t) => {
  const table = [
    ["a1b2c3d4", "a1b2c3d4"],
    ["  team_Room-1 ", "team_Room-1"],
    ["https://chatter.example/r/a1b2", "a1b2"],
    ["https://chatter.example/r/a1b2?name=x&join=1#y", "a1b2"],
    ["chatter.example/r/a1b2/", "a1b2"],
    ["ws://localhost:8080/ws/a1b2c3d4", "a1b2c3d4"],
    ["http://[::1]:8080/r/x", "x"],
    ["", null],
    ["two words", null],
    ["https://chatter.example/", null],
    ["https://chatter.example/r/a%20b", null],
    ["x".repeat(65), null],
  ];
  for (const [text, expected] of table) await t.test(text || "nothing", () => assert.equal(roomIdOf(text), expected));
});

test("initials", async (t) => {
  const table = [
    ["Ann Lee", "AL"], ["bob", "B"], ["Jean-Luc Picard", "JP"], ["  ", "G"], ["ann_lee", "AL"], ["Élodie", "É"],
    ["张伟", "张"], ["😀 Ann", "A"], ["!!!", "?"], ["Ann (guest)", "AG"],
  ];
  for (const [name, expected] of table) await t.test(name, () => assert.equal(initials(name), expected));
  assert.equal(hue("Ann"), hue(" Ann "));
  assert.ok(hue("Ann") >= 0 && hue("Ann") < 360);
});

test("recent rooms: the last one first, each once, six of them", () => {
  const visits = ["a", "b", "c", "d", "e", "f"].map((roomId) => ({ roomId, at: 1 }));
  assert.deepEqual(withVisit(visits, { roomId: "c", at: 2 }).map(({ roomId }) => roomId), ["c", "a", "b", "d", "e", "f"]);
  assert.deepEqual(withVisit(visits, { roomId: "z", at: 2 }).map(({ roomId }) => roomId), ["z", "a", "b", "c", "d", "e"]);
});

test("how long ago", () => {
  const minute = 60_000;
  const table = [[0, "just now"], [5 * minute, "5 min ago"], [120 * minute, "2 h ago"], [26 * 60 * minute, "yesterday"],
    [72 * 60 * minute, "3 days ago"], [-minute, "just now"]];
  for (const [passed, expected] of table) assert.equal(ago(1e12 - passed, 1e12), expected);
});

test("when a token expires", () => {
  const token = (payload) => `x.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.y`;
  assert.equal(expiryOf(token({ exp: 1700000000, sub: "ÿ?>" })), 1700000000);
  for (const bad of ["", "x", "x.y.z", token({}), token({ exp: "soon" })]) assert.equal(expiryOf(bad), 0);
});

test("every failure has a title, a sentence that says what to do, and a way on", () => {
  const names = ["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError", "Unplugged", "NotSupportedError", "Odd"];
  const seen = new Set();
  for (const source of ["camera", "microphone", "screen"])
    for (const name of names) {
      const { title, text } = deviceProblem(source, name);
      assert.ok(title.toLowerCase().includes(source), `${source} ${name}: ${title}`);
      assert.ok(text.length > 20);
      seen.add(title);
    }
  for (const name of names) assert.match(deviceProblem("both", name).title, /camera and (no )?microphone/i);
  assert.ok(seen.size > 12);
  const codes = ["room_not_found", "room_full", "guests_not_allowed", "token_invalid", "token_expired", "bad_request", "odd"];
  for (const code of codes)
    for (const guest of [true, false]) {
      const { title, text, offer } = refusal(code, guest);
      assert.ok(title && text && offer.length > 0);
    }
  assert.ok(refusal("room_not_found", true).offer.includes("signin"));
  assert.ok(!refusal("room_not_found", false).offer.includes("signin"));
});
