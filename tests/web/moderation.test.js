import assert from "node:assert/strict";
import { test } from "node:test";

import { knocking, mayDecideAbout, mayModerate, rolesFor } from "../../web/static/chatter/moderation.js";
import { emptyRoom } from "../../web/static/chatter/room.js";

const roles = ["owner", "moderator", "speaker", "listener", "guest"];

function roomOf(role, moderate) {
  return { ...emptyRoom, clientId: "me", role, grants: { ...emptyRoom.grants, moderate } };
}

const deciders = {
  "an owner": [roomOf("owner", true), ["moderator", "speaker", "listener", "guest"]],
  "a moderator": [roomOf("moderator", true), ["speaker", "listener", "guest"]],
  "a guest with a token to moderate": [roomOf("guest", true), ["speaker", "listener", "guest"]],
  "a speaker": [roomOf("speaker", false), []],
  "a listener": [roomOf("listener", false), []],
  "a guest": [roomOf("guest", false), []],
};

for (const [name, [room, about]] of Object.entries(deciders))
  test(`about whom ${name} decides`, () => {
    assert.equal(mayModerate(room), about.length > 0);
    assert.deepEqual(roles.filter((role) => mayDecideAbout(room, { id: "x", displayName: "X", role })), about);
    for (const role of roles) assert.equal(mayDecideAbout(room, { id: "me", displayName: "Me", role }), false);
    assert.equal(mayDecideAbout(room, { id: "x", displayName: "X" }), about.length > 0, "of no known role");
  });

const makes = [
  ["owner", "moderator", ["speaker", "listener"]],
  ["owner", "speaker", ["moderator", "listener"]],
  ["owner", "listener", ["moderator", "speaker"]],
  ["owner", "guest", ["moderator", "listener"]],
  ["owner", undefined, ["moderator", "listener"]],
  ["moderator", "speaker", ["listener"]],
  ["moderator", "listener", ["speaker"]],
  ["moderator", "guest", ["listener"]],
  ["moderator", "moderator", []],
  ["moderator", "owner", []],
];

for (const [own, theirs, expected] of makes)
  test(`what a ${own} makes of a ${theirs}`, () =>
    assert.deepEqual(rolesFor(roomOf(own, true), { id: "x", displayName: "X", role: theirs }), expected));

test("who knocks", () => {
  const [ann, bob] = ["a", "b"].map((id) => ({ id, displayName: id, role: "guest" }));
  const table = [
    [[], [ann], [ann]],
    [[ann], [ann, bob], [bob]],
    [[ann, bob], [bob], []],
    [[ann], [{ ...ann, displayName: "Anna" }], []],
  ];
  for (const [before, after, expected] of table)
    assert.deepEqual(knocking({ ...emptyRoom, waiting: before }, { ...emptyRoom, waiting: after }), expected);
});
