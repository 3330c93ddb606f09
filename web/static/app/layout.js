/**
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {{width: number, height: number}} Size
 */

// Beyond these, covering a tile with a 4:3 or 16:9 picture cuts off too much of it.
const WIDEST = 16 / 9;
const NARROWEST_WIDE = 1.2;
const NARROWEST_TALL = 0.75;

/**
 * Places a number of tiles in an area so that they cover as much of it as they can: all of one size, rows centred, the
 * tiles as wide as 16:9 and, where the area is tall, as tall as 3:4.
 *
 * @param {number} count
 * @param {Size} area
 * @param {number} gap
 * @returns {Box[]}
 */
export function grid(count, { width, height }, gap) {
  if (count < 1 || width <= 0 || height <= 0) return [];
  const narrowest = width < height ? NARROWEST_TALL : NARROWEST_WIDE;
  let best = { columns: 1, rows: count, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cell = { width: (width - gap * (columns - 1)) / columns, height: (height - gap * (rows - 1)) / rows };
    if (cell.width <= 0 || cell.height <= 0) continue;
    const tile = {
      width: Math.min(cell.width, cell.height * WIDEST),
      height: Math.min(cell.height, cell.width / narrowest),
    };
    if (tile.width * tile.height > best.width * best.height) best = { columns, rows, ...tile };
  }
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / best.columns);
    const inRow = Math.min(best.columns, count - row * best.columns);
    const rowWidth = inRow * best.width + (inRow - 1) * gap;
    const allHeight = best.rows * best.height + (best.rows - 1) * gap;
    return {
      x: (width - rowWidth) / 2 + (index - row * best.columns) * (best.width + gap),
      y: (height - allHeight) / 2 + row * (best.height + gap),
      width: best.width,
      height: best.height,
    };
  });
}

/**
 * @typedef {object} Layout
 * @property {Box} screens the area of the shared screens
 * @property {Box} tiles the area of the participants
 * @property {Box[]} screenBoxes in the area of the screens
 * @property {Box[]} tileBoxes in the area of the participants, oneself last
 * @property {boolean} scrolls the participants are a strip that may be longer than its area
 * @property {boolean} pip oneself floats over the other
 */

/**
 * Where everything goes: one's own picture alone, the other one with oneself in the corner, a grid, or shared screens
 * with the participants in a strip beside or below.
 *
 * @param {{screens: number, tiles: number}} counts
 * @param {Size} area
 * @param {number} gap
 * @returns {Layout}
 */
export function arrange({ screens, tiles }, area, gap) {
  const all = { x: 0, y: 0, ...area };
  const none = { x: 0, y: 0, width: 0, height: 0 };
  if (screens > 0) {
    const [screensArea, tilesArea, tileBoxes] = beside(tiles, area, gap);
    const screenBoxes = grid(screens, screensArea, gap).map((box) =>
      screens === 1 ? { x: 0, y: 0, width: screensArea.width, height: screensArea.height } : box,
    );
    return { screens: screensArea, tiles: tilesArea, screenBoxes, tileBoxes, scrolls: true, pip: false };
  }
  const plain = { screens: none, tiles: all, screenBoxes: [], scrolls: false };
  if (tiles === 1) return { ...plain, tileBoxes: [all], pip: false };
  if (tiles === 2) {
    const tall = area.width < area.height;
    const width = tall ? Math.min(112, area.width * 0.3) : Math.min(256, area.width * 0.24);
    const height = tall ? width / NARROWEST_TALL : width / WIDEST;
    const own = { x: area.width - width - 14, y: area.height - height - 14, width, height };
    return { ...plain, tileBoxes: [all, own], pip: true };
  }
  return { ...plain, tileBoxes: grid(tiles, area, gap), pip: false };
}

/**
 * @param {number} tiles
 * @param {Size} area
 * @param {number} gap
 * @returns {[Box, Box, Box[]]} the screens' area, the tiles' area, the tiles in it
 */
function beside(tiles, area, gap) {
  if (area.width < area.height) {
    const height = Math.min(112, area.height * 0.2);
    const width = height;
    const boxes = Array.from({ length: tiles }, (_, index) => ({ x: index * (width + gap), y: 0, width, height }));
    const y = area.height - height;
    return [
      { x: 0, y: 0, width: area.width, height: Math.max(0, y - gap) },
      { x: 0, y, width: area.width, height },
      boxes,
    ];
  }
  const width = Math.min(232, area.width * 0.2);
  const height = width / WIDEST;
  const boxes = Array.from({ length: tiles }, (_, index) => ({ x: 0, y: index * (height + gap), width, height }));
  const x = area.width - width;
  return [
    { x: 0, y: 0, width: Math.max(0, x - gap), height: area.height },
    { x, y: 0, width, height: area.height },
    boxes,
  ];
}
