import { element } from "../app/element.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 64;

/**
 * The line through values, left to right over the whole width; empty for fewer than two.
 *
 * @param {readonly number[]} values
 * @param {number} maximum at the top
 * @param {number} [width]
 * @param {number} [height]
 * @param {readonly number[]} [parts] of the width, 0 to 1, where the values are; evenly where not given
 * @returns {string} for the attribute d of a path
 */
export function linePath(values, maximum, width = WIDTH, height = HEIGHT, parts = evenly(values.length)) {
  if (values.length < 2) return "";
  const y = (/** @type {number} */ value) => height - 2 - (Math.min(value, maximum) / (maximum || 1)) * (height - 6);
  return values.map((value, at) => `${at ? "L" : "M"}${(parts[at] * width).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}

/** @param {number} count */
function evenly(count) {
  return Array.from({ length: count }, (_, at) => at / (count - 1));
}

/**
 * A round number not below the largest value, so that the scale does not move with every point.
 *
 * @param {number} value
 */
export function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

/**
 * @typedef {object} Series
 * @property {string} label
 * @property {string} tone a class of the style sheet: accent, calm, warn
 * @property {(point: any) => number} read
 */

/** One figure over time as a card: the number now in large, the minutes before as a line; the pointer reads it. */
export class Chart {
  #series;
  #write;
  #least;
  /** @type {readonly any[]} */
  #points = [];
  #number = element("strong", { class: "chart-number" });
  #caption = element("span", { class: "chart-caption dim" });
  #drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  #cursor = svg("line", { class: "chart-cursor", y1: "0", y2: String(HEIGHT), hidden: "" });
  /** @type {readonly number[]} */
  #parts = [];
  /** @type {number | null} */
  #pointed = null;

  /**
   * @param {object} options
   * @param {string} options.title
   * @param {readonly Series[]} options.series the first one is the number in large
   * @param {(value: number) => string} options.write
   * @param {number} [options.least] the least value of the scale's top
   */
  constructor({ title, series, write, least = 0 }) {
    this.#series = series;
    this.#write = write;
    this.#least = least;
    this.host = element(
      "article",
      { class: "card chart" },
      element("h3", {}, title),
      element("p", { class: "chart-head" }, this.#number, this.#caption),
      this.#drawing,
    );
    this.host.addEventListener("pointermove", (event) => this.#point(event));
    this.host.addEventListener("pointerleave", () => {
      this.#pointed = null;
      this.#describe();
    });
  }

  /** @param {readonly any[]} points oldest first, each with `at` in seconds since 1970 */
  show(points) {
    this.#points = points;
    // Looks are rarer while nobody looks on: the line is to be in time all the same.
    const [first, last] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 0];
    const parts = points.map(({ at }) => (at - first) / (last - first || 1));
    this.#parts = parts;
    const top = ceiling(Math.max(this.#least, ...points.flatMap((point) => this.#series.map(({ read }) => read(point)))));
    const paths = this.#series.flatMap(({ tone, read }, at) => {
      const values = points.map(read);
      const line = linePath(values, top, WIDTH, HEIGHT, parts);
      const area = at === 0 && line ? [svg("path", { class: `area ${tone}`, d: `${line}V${HEIGHT}H0Z` })] : [];
      return [...area, svg("path", { class: `line ${toneOf(values, tone)}`, d: line, "vector-effect": "non-scaling-stroke" })];
    });
    this.#drawing.replaceChildren(...paths, this.#cursor);
    this.#describe();
  }

  #describe() {
    const last = this.#points.length - 1;
    const at = this.#pointed === null ? last : Math.min(this.#pointed, last);
    const point = this.#points[at];
    if (!point) return;
    this.#number.textContent = this.#write(this.#series[0].read(point));
    const others = this.#series.slice(1).map(({ label, read }) => `${label} ${this.#write(read(point))}`);
    const when = this.#pointed === null ? [] : [new Date(point.at * 1000).toLocaleTimeString()];
    this.#caption.textContent = [...when, ...others].join(" · ");
    this.#cursor.toggleAttribute("hidden", this.#pointed === null);
    const x = String((this.#parts[at] ?? 0) * WIDTH);
    this.#cursor.setAttribute("x1", x);
    this.#cursor.setAttribute("x2", x);
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const { left, width } = this.#drawing.getBoundingClientRect();
    const part = Math.min(Math.max((event.clientX - left) / (width || 1), 0), 1);
    const distances = this.#parts.map((other) => Math.abs(other - part));
    this.#pointed = distances.length ? distances.indexOf(Math.min(...distances)) : null;
    this.#describe();
  }
}

/**
 * Where nothing happens nothing calls for attention.
 *
 * @param {readonly number[]} values
 * @param {string} tone
 */
function toneOf(values, tone) {
  return values.some((value) => value > 0) ? tone : "still";
}

/**
 * A line as high as text.
 *
 * @param {readonly number[]} values
 * @param {string} tone
 * @param {number} [least] of the scale's top
 */
export function sparkline(values, tone, least = 0) {
  const drawing = svg("svg", { class: "sparkline", viewBox: "0 0 80 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  const d = linePath(values, ceiling(Math.max(least, ...values)), 80, 20);
  drawing.append(svg("path", { class: `line ${toneOf(values, tone)}`, d, "vector-effect": "non-scaling-stroke" }));
  return drawing;
}
