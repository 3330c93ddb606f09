import { byId } from "./element.js";
import { arrange } from "./layout.js";
import { Tile } from "./tile.js";

/** @import { Box } from "./layout.js" */

const GAP = 10;
const GAP_SMALL = 6;

/** The area of the tiles: who is in it, and where everybody goes. */
export class Grid {
  #stage = byId("stage", HTMLElement);
  #screensArea = byId("screens", HTMLDivElement);
  #tilesArea = byId("tiles", HTMLDivElement);
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {Map<string, Tile>} */
  #screens = new Map();
  #ownId = "";
  #observer = new ResizeObserver(() => this.#arrange(true));

  constructor() {
    this.#observer.observe(this.#stage);
  }

  /**
   * @param {string} clientId
   * @returns {Tile | undefined}
   */
  tile(clientId) {
    return this.#tiles.get(clientId);
  }

  /**
   * @param {string} clientId
   * @returns {Tile | undefined}
   */
  screen(clientId) {
    return this.#screens.get(clientId);
  }

  /**
   * Shows exactly these, oneself last.
   *
   * @param {readonly string[]} clientIds
   * @param {readonly string[]} sharing those of them who share their screen
   * @param {string} ownId
   */
  show(clientIds, sharing, ownId) {
    this.#ownId = ownId;
    const ordered = [...clientIds.filter((id) => id !== ownId), ...clientIds.filter((id) => id === ownId)];
    const changed = [
      this.#sync(this.#tiles, ordered, (id) => new Tile(id, "camera", id === ownId), this.#tilesArea),
      this.#sync(this.#screens, sharing, (id) => new Tile(id, "screen", false), this.#screensArea),
    ];
    if (changed.includes(true)) this.#arrange(false);
  }

  /**
   * @param {Map<string, Tile>} tiles
   * @param {readonly string[]} ids
   * @param {(id: string) => Tile} make
   * @param {HTMLElement} area
   * @returns {boolean} whether anything is different
   */
  #sync(tiles, ids, make, area) {
    const before = [...tiles.keys()];
    if (before.length === ids.length && before.every((id, index) => id === ids[index])) return false;
    const known = new Map(tiles);
    tiles.clear();
    for (const id of ids) {
      const tile = known.get(id) ?? make(id);
      known.delete(id);
      tiles.set(id, tile);
      if (!tile.element.isConnected) area.append(tile.element);
    }
    for (const tile of known.values()) tile.remove();
    // For Tab and screen readers, the order of the page is that of the grid.
    [...tiles.values()].forEach((tile, index) => {
      if (area.children[index] !== tile.element) area.insertBefore(tile.element, area.children[index]);
    });
    return true;
  }

  /** @param {boolean} still without motion, as when the window changes its size */
  #arrange(still) {
    const { clientWidth: width, clientHeight: height } = this.#stage;
    // The page of the call is not shown (any more).
    if (width === 0 || height === 0) return;
    const gap = width < 600 ? GAP_SMALL : GAP;
    const counts = { screens: this.#screens.size, tiles: this.#tiles.size };
    const layout = arrange(counts, { width, height }, gap);
    this.#stage.classList.toggle("still", still);
    place(this.#screensArea, layout.screens);
    place(this.#tilesArea, layout.tiles);
    this.#tilesArea.classList.toggle("scrolls", layout.scrolls);
    [...this.#screens.values()].forEach((tile, index) => tile.place(layout.screenBoxes[index]));
    [...this.#tiles].forEach(([id, tile], index) => {
      tile.place(layout.tileBoxes[index]);
      tile.element.classList.toggle("pip", layout.pip && id === this.#ownId);
    });
  }
}

/**
 * @param {HTMLElement} area
 * @param {Box} box
 */
function place({ style }, { x, y, width, height }) {
  style.left = `${x}px`;
  style.top = `${y}px`;
  style.width = `${width}px`;
  style.height = `${height}px`;
}
