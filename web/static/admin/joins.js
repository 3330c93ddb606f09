import { byId, element } from "../app/element.js";
import { ago } from "./format.js";
import { keyed } from "./keyed.js";

/** @import { Join } from "./types.js" */

const STAGES = ["token", "websocket", "negotiation", "ice", "dtls", "first_packet", "first_keyframe"];
const STAGE_WORDS = ["token", "WebSocket", "negotiation", "ICE", "DTLS", "first packet", "first keyframe"];

const OUTCOMES = {
  joining: "joining",
  complete: "first frame sent",
  alone: "nobody to see",
  direct: "direct media",
  incomplete: "something did not come",
  failed: "failed",
  left: "left before",
};

// A join of which nothing is longer fills a tenth of the width at least, so that short ones can be compared.
const LEAST_SCALE_MS = 500;

/** The newest joins as bars: which stage took how long. */
export class Joins {
  #list = byId("joins", HTMLOListElement);

  constructor() {
    byId("stages", HTMLUListElement).replaceChildren(
      ...STAGE_WORDS.map((word, at) => element("li", {}, element("i", { class: `stage s${at}` }), word)),
    );
  }

  /** @param {readonly Join[]} joins */
  show(joins) {
    byId("joins-empty", HTMLElement).hidden = joins.length > 0;
    const scale = Math.max(LEAST_SCALE_MS, ...joins.map(({ milliseconds }) => milliseconds));
    const now = Date.now();
    keyed(this.#list, joins, {
      key: ({ room, participant }) => `${room} ${participant}`,
      make: () =>
        element(
          "li",
          { class: "join", "data-testid": "admin-join" },
          element("span", { class: "join-who" }, element("strong", {}), element("span", { class: "dim" })),
          element("span", { class: "join-bar" }),
          element("span", { class: "join-time" }),
          element("span", {}),
        ),
      update: (row, join) => {
        const [who, bar, time, outcome] = row.children;
        who.children[0].textContent = join.name;
        who.children[1].textContent = [join.client, join.room, ago(join.began, now)].filter(Boolean).join(" · ");
        bar.replaceChildren(...join.stages.map((stage) => this.#stage(stage, scale)));
        time.textContent = `${Math.round(join.milliseconds)} ms`;
        outcome.className = `outcome ${join.outcome}`;
        outcome.textContent = OUTCOMES[/** @type {keyof typeof OUTCOMES} */ (join.outcome)] ?? join.outcome;
        const trace = join.traceId ? `trace ${join.traceId}` : "";
        outcome.title = [join.reason, trace].filter(Boolean).join(" · ");
      },
    });
  }

  /**
   * @param {Join["stages"][number]} stage
   * @param {number} scale milliseconds of the whole width
   */
  #stage({ stage, begin, milliseconds }, scale) {
    const at = STAGES.indexOf(stage);
    const made = element("i", { class: `stage s${at}`, title: `${STAGE_WORDS[at] ?? stage}: ${milliseconds} ms` });
    made.style.left = `${(begin / scale) * 100}%`;
    made.style.width = `${Math.max((milliseconds / scale) * 100, 0.4)}%`;
    return made;
  }
}
