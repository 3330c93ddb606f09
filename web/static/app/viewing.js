/** @import { Source } from "../chatter/messages.js" */
/** @import { View } from "../chatter/views.js" */
/** @import { Tile } from "./tile.js" */

// A shared screen is what everybody looks at.
const PRIORITY = { screen: 2, camera: 0 };

/** Watches in which size each tile is shown, and whether it can be seen at all. */
export class Viewing {
  #onView;
  /** @type {Map<Element, {clientId: string, source: "camera" | "screen", shown: boolean}>} */
  #tiles = new Map();
  #sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => this.#look(target)));
  #visibility = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const tile = this.#tiles.get(target);
      if (!tile) continue;
      tile.shown = isIntersecting;
      this.#look(target);
    }
  });
  #onPage = () => this.#tiles.forEach((_, element) => this.#look(element));

  /** @param {(clientId: string, source: Source, view: View) => void} onView */
  constructor(onView) {
    this.#onView = onView;
    document.addEventListener("visibilitychange", this.#onPage);
  }

  /**
   * @param {string} clientId
   * @param {"camera" | "screen"} source
   * @param {Tile | undefined} tile
   */
  watch(clientId, source, tile) {
    if (!tile || this.#tiles.has(tile.element)) return;
    this.#tiles.set(tile.element, { clientId, source, shown: true });
    this.#sizes.observe(tile.element);
    this.#visibility.observe(tile.element);
    for (const element of this.#tiles.keys()) if (!element.isConnected) this.#forget(element);
  }

  close() {
    document.removeEventListener("visibilitychange", this.#onPage);
    this.#sizes.disconnect();
    this.#visibility.disconnect();
    this.#tiles.clear();
  }

  /** @param {Element} element */
  #forget(element) {
    this.#sizes.unobserve(element);
    this.#visibility.unobserve(element);
    this.#tiles.delete(element);
  }

  /** @param {Element} element */
  #look(element) {
    const tile = this.#tiles.get(element);
    if (!tile || !element.isConnected) return;
    const { clientId, source, shown } = tile;
    const { devicePixelRatio: ratio } = window;
    const { clientWidth: width, clientHeight: height } = element;
    // A page that is being laid out has no size yet.
    if (width === 0 || height === 0) return;
    this.#onView(clientId, source, {
      width: width * ratio,
      height: height * ratio,
      visible: shown && document.visibilityState === "visible",
      priority: PRIORITY[source],
    });
  }
}
