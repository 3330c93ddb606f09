/**
 * The page of operators: what goes on, live, and what can be done about it.
 *
 * Stable `data-testid`s: admin-live (data-state live, waiting or refused), admin-notice, admin-rooms, admin-room,
 * close-room, admin-people, admin-person, remove, admin-joins, admin-join, log-level, drain, confirm.
 */
import { confirmed } from "../app/confirm.js";
import { byId, element } from "../app/element.js";
import { accessToken, account } from "../app/session.js";
import { Chart } from "./chart.js";
import { bitrate, bytes, count, duration, milliseconds, percent } from "./format.js";
import { Joins } from "./joins.js";
import { keyed } from "./keyed.js";
import { RoomDetail } from "./room.js";
import { Rooms } from "./rooms.js";
import { Stream } from "./stream.js";

/** @import { Point, State } from "./types.js" */

// As many as the server keeps.
const KEPT_POINTS = 300;
const TIMEOUT_MS = 10_000;

const charts = [
  new Chart({
    title: "People in calls",
    series: [{ label: "people", tone: "accent", read: (/** @type {Point} */ point) => point.participants }],
    write: count,
    least: 5,
  }),
  new Chart({
    title: "Arrives badly",
    series: [
      {
        label: "poor or bad",
        tone: "warn",
        read: (/** @type {Point} */ point) => (point.subscriptions ? point.troubled / point.subscriptions : 0),
      },
    ],
    write: percent,
    least: 0.2,
  }),
  new Chart({
    title: "Media sent",
    series: [
      { label: "sent", tone: "accent", read: (/** @type {Point} */ point) => point.bitrateSent },
      { label: "received", tone: "calm", read: (/** @type {Point} */ point) => point.bitrateReceived },
    ],
    write: bitrate,
  }),
  new Chart({
    title: "CPU, of one core",
    series: [{ label: "cpu", tone: "accent", read: (/** @type {Point} */ point) => point.cpu }],
    write: percent,
    least: 0.2,
  }),
  new Chart({
    title: "Event loop is late by",
    series: [{ label: "late", tone: "accent", read: (/** @type {Point} */ point) => point.loopLag }],
    write: milliseconds,
    least: 0.02,
  }),
];
byId("charts", HTMLElement).replaceChildren(...charts.map(({ host }) => host));

const notice = byId("notice", HTMLElement);
const level = byId("log-level", HTMLSelectElement);
const drainButton = byId("drain", HTMLButtonElement);
/** @type {Point[]} */
let points = [];
/** @type {string | null} */
let chosen = new URLSearchParams(location.search).get("room");

/** @param {string} text */
function complain(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function ask(path, options = {}) {
  const send = async (/** @type {boolean} */ fresh) => {
    const token = await accessToken({ fresh });
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    return fetch(path, { ...options, headers });
  };
  const response = await send(false);
  return response.status === 401 && account() ? send(true) : response;
}

/**
 * Does something and says what is wrong where it is refused.
 *
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
async function act(method, path, body) {
  complain("");
  try {
    const response = await ask(path, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
    if (!response.ok) complain((await response.json()).detail ?? "The server could not do that.");
  } catch {
    complain("The server cannot be reached. Try again.");
  }
}

const stream = new Stream({
  open: async (signal) => {
    // What was before, and then what comes: the charts begin with the last minutes.
    const history = await ask("/admin/history", { signal });
    if (!history.ok) return history;
    points = (await history.json()).points;
    return ask(`/admin/live${chosen ? `?room=${encodeURIComponent(chosen)}` : ""}`, { signal });
  },
  onState: (/** @type {State} */ state) => show(state),
  onChange: ({ state, response }) => {
    const live = byId("live", HTMLElement);
    if (live.dataset.state !== state) live.dataset.state = state;
    byId("live-text", HTMLElement).textContent = { live: "Live", waiting: "Connecting again…", refused: "Not connected" }[state];
    if (state === "refused") void refuse(response);
    else if (state === "live") enable();
  },
});

function enable() {
  level.disabled = false;
}

/** @param {Response | null} response */
async function refuse(response) {
  if (response?.status === 401) return location.assign(`/signin?next=${encodeURIComponent("/admin")}`);
  complain((await response?.json().catch(() => null))?.detail ?? "This page is for operators.");
}

const rooms = new Rooms((roomId) => choose(roomId));
const detail = new RoomDetail(async ({ id, name }) => {
  const words = {
    title: `Remove ${name}?`,
    text: "They are told that they were removed, and can join again with the link.",
    yes: "Remove",
  };
  if (chosen && (await confirmed(words))) await act("DELETE", `/admin/rooms/${chosen}/participants/${id}`);
});
const joins = new Joins();

/** @param {string | null} roomId */
function choose(roomId) {
  chosen = roomId;
  const address = new URL(location.href);
  if (roomId) address.searchParams.set("room", roomId);
  else address.searchParams.delete("room");
  history.replaceState(null, "", address);
  void stream.restart();
}

/** @param {State} state */
function show(state) {
  if (!chosen && state.rooms.length) return choose(state.rooms[0].id);
  if (state.point.at !== points.at(-1)?.at) points = [...points, state.point].slice(-KEPT_POINTS);
  for (const chart of charts) chart.show(points);
  rooms.show(state.rooms, state.roomCount, chosen);
  detail.show(state.room, chosen);
  joins.show(state.joins);
  showNode(state);
}

/** @param {State} state */
function showNode({ node, point }) {
  if (document.activeElement !== level) level.value = node.logLevel;
  drainButton.disabled = node.draining !== null;
  const draining = byId("draining", HTMLElement);
  draining.hidden = node.draining === null;
  if (node.draining) {
    const until = new Date(node.draining.endsAt * 1000).toLocaleTimeString();
    draining.textContent = `This server ends when the last call is over, at ${until} at the latest. It opens no new rooms.`;
  }
  const facts = [
    ["Version", node.version],
    ["Packets are moved by", node.plane === "fast" ? "the compiled plane" : "Python (the compiled plane was not built)"],
    ["Running for", duration(node.uptime)],
    ["Memory", bytes(point.memory)],
    ["Packets sent", `${count(point.packetsSent)}/s`],
  ];
  byId("node", HTMLElement).replaceChildren(
    ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
  const drops = Object.entries(node.drops).sort(([, a], [, b]) => b - a);
  byId("drops-none", HTMLElement).hidden = drops.length > 0;
  const most = Math.max(1, ...drops.map(([, n]) => n));
  keyed(byId("drops", HTMLElement), drops, {
    key: ([reason]) => reason,
    make: () => element("li", {}, element("span", {}), element("i", {}), element("span", { class: "dim" })),
    update: (row, [reason, n]) => {
      const [name, bar, number] = row.children;
      name.textContent = reason.replaceAll("_", " ");
      bar.style.width = `${Math.max((n / most) * 100, 1)}%`;
      number.textContent = count(n);
    },
  });
}

level.addEventListener("change", () => void act("PUT", "/admin/log-level", { level: level.value }));

byId("close-room", HTMLButtonElement).addEventListener("click", async () => {
  const words = { title: "End this call?", text: "Everybody in it is told and disconnected.", yes: "End the call" };
  if (chosen && (await confirmed(words))) await act("DELETE", `/admin/rooms/${chosen}`);
});

drainButton.addEventListener("click", async () => {
  const words = {
    title: "Drain this server?",
    text: "It opens no new rooms, tells everybody, and ends when the last call is over or the time that is set has passed. Whatever supervises it starts it again.",
    yes: "Drain",
  };
  if (await confirmed(words)) await act("POST", "/admin/drain");
});

if (account()) void stream.restart();
else location.assign(`/signin?next=${encodeURIComponent("/admin")}`);
