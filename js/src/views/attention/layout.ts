/** Geometry of the head grid and of the large pattern, in CSS pixels. Pure. */

/** Where thumbnails stand: layers down in one column or in several side by side, heads across. */
export interface GridLayout {
  cell: number;
  gap: number;
  /** Room for the layers' names at the left. */
  labelWidth: number;
  /** Distance from one head to the next. */
  pitch: number;
  /** Columns of layers side by side, and how many layers stand in each. */
  blocks: number;
  rows: number;
  width: number;
  height: number;
  /** False where even the smallest cells need more room than there is. */
  fits: boolean;
}

export const SMALLEST_CELL = 20;
const LARGEST_CELL = 84;
/** Cells of this size need no second column of layers. */
const GOOD_CELL = 28;
const MOST_BLOCKS = 4;
/** Between columns of layers. */
export const BLOCK_SPACE = 12;
/** The heads' names below each column. */
export const NAMES_HEIGHT = 18;

/** Thumbnails use the room: layers stand in several columns where that makes small ones larger. */
export function gridLayout(
  layers: number,
  heads: number,
  width: number,
  maxHeight: number,
): GridLayout {
  const labelWidth = layers > 10 ? 30 : 26;
  const gap = layers > 24 || heads > 11 ? 1 : Math.max(layers, heads) > 10 ? 2 : 4;
  const fit = (room: number, count: number) => Math.floor((room + gap) / Math.max(1, count)) - gap;
  const cellOf = (blocks: number) => {
    const across = (width - (blocks - 1) * BLOCK_SPACE) / blocks - labelWidth - gap;
    const down = maxHeight - NAMES_HEIGHT - gap;
    return Math.min(LARGEST_CELL, fit(across, heads), fit(down, Math.ceil(layers / blocks)));
  };
  let blocks = 1;
  for (let more = 2; more <= Math.min(MOST_BLOCKS, layers); more++) {
    if (cellOf(blocks) < GOOD_CELL && cellOf(more) > cellOf(blocks)) blocks = more;
  }
  const fits = cellOf(blocks) >= SMALLEST_CELL;
  const cell = Math.max(SMALLEST_CELL, cellOf(blocks));
  const pitch = cell + gap;
  const rows = Math.ceil(layers / blocks);
  return {
    ...{ cell, gap, labelWidth, pitch, blocks, rows, fits },
    width: blocks * (labelWidth + heads * pitch) + (blocks - 1) * BLOCK_SPACE,
    height: rows * pitch - gap,
  };
}

/** The left upper corner of a head's thumbnail in the grid. */
export function thumbnailAt(
  { labelWidth, gap, pitch, rows }: GridLayout,
  heads: number,
  layer: number,
  head: number,
): { x: number; y: number } {
  const block = Math.floor(layer / rows);
  const blockWidth = labelWidth + heads * pitch + BLOCK_SPACE;
  return {
    x: block * blockWidth + labelWidth + gap + head * pitch,
    y: (layer % rows) * pitch,
  };
}

/** One layer's heads, wrapped like text into the room: as large as fits, never too small to click. */
export function wrapHeads(
  heads: number,
  width: number,
  room: number,
): { cell: number; pitch: number; across: number; width: number; height: number } {
  const gap = 2;
  let cell = 64;
  const acrossOf = () => Math.max(1, Math.floor((width + gap) / (cell + gap)));
  const linesOf = () => Math.ceil(heads / acrossOf());
  while (cell > SMALLEST_CELL && linesOf() * (cell + gap) - gap > room) cell -= 2;
  const pitch = cell + gap;
  const across = Math.min(heads, acrossOf());
  return { cell, pitch, across, width: across * pitch - gap, height: linesOf() * pitch - gap };
}

/** The card's width beyond which thumbnails grow no more. */
export function headsRoom(heads: number): number {
  return 60 + heads * (LARGEST_CELL + 4);
}

/** The width of a column in which thumbnails are as large as its height lets them be, within reason. */
export function headsColumn(layers: number, heads: number, room: number): number {
  const { gap, labelWidth } = gridLayout(layers, heads, 0, 0);
  const down = Math.floor((room - NAMES_HEIGHT) / layers) - gap;
  const cell = Math.max(SMALLEST_CELL, Math.min(COLUMN_CELL, down));
  return labelWidth + gap + heads * (cell + gap) + COLUMN_PADDING;
}

/** In a column larger ones would take the room of what is looked at. */
const COLUMN_CELL = 44;
const COLUMN_PADDING = 30;

/** The part of a pattern on show: `span` positions in both directions from (q0, k0). May be fractional. */
export interface Zoom {
  q0: number;
  k0: number;
  span: number;
}

export interface PlotLayout {
  left: number;
  side: number;
  bottom: number;
  width: number;
  height: number;
}

const SMALLEST_SIDE = 120;

/** For the name of an axis, beyond the names of its tokens. */
export const AXIS = 16;

/**
 * A square with room for the names of tokens and of the axes at the left and below; whole pixels per cell
 * where the pattern fits. The axis below takes its room from the square.
 */
export function plotLayout(
  width: number,
  maxSide: number,
  count: number,
  nameWidth: number,
): PlotLayout {
  const left = AXIS + Math.ceil(nameWidth) + 8;
  const room = Math.max(SMALLEST_SIDE, Math.min(maxSide - AXIS, Math.floor(width - left)));
  const cell = Math.min(72, Math.floor(room / Math.max(1, count)));
  const side = count > 0 && cell >= 4 ? cell * count : room;
  const bottom = Math.ceil(nameWidth) + 8 + AXIS;
  return { left, side, bottom, width: left + side, height: side + bottom };
}

/** Up to so many tokens every cell is large enough, and the wheel is left to the page. */
export const ZOOM_FROM = 64;

export function wholeView(count: number): Zoom {
  return { q0: 0, k0: 0, span: count };
}

/** The part that is zoomed into; null for a whole pattern of `count` positions. */
export function shownPart(zoom: Zoom | null, count: number): Zoom | null {
  return zoom && zoom.span < count ? panTo(zoom, count) : null;
}

/** The same zoom, moved as little as needed to lie inside the pattern. */
export function panTo(zoom: Zoom, count: number): Zoom {
  const clamp = (start: number) => Math.max(0, Math.min(count - zoom.span, start));
  return { q0: clamp(zoom.q0), k0: clamp(zoom.k0), span: zoom.span };
}

/** Moves the zoom so that the cell is visible. */
export function reveal(zoom: Zoom, count: number, q: number, k: number): Zoom {
  const shift = (start: number, at: number) =>
    at < start ? at : at + 1 > start + zoom.span ? at + 1 - zoom.span : start;
  return panTo({ q0: shift(zoom.q0, q), k0: shift(zoom.k0, k), span: zoom.span }, count);
}

export interface Cell {
  q: number;
  k: number;
}

/** The cell under a point of the plot; null outside the square. */
export function cellAt(
  x: number,
  y: number,
  layout: PlotLayout,
  zoom: Zoom,
  count: number,
): Cell | null {
  const right = x - layout.left;
  if (right < 0 || y < 0 || right >= layout.side || y >= layout.side) return null;
  const at = (start: number, part: number) =>
    Math.min(count - 1, Math.floor(start + (part / layout.side) * zoom.span));
  return { q: at(zoom.q0, y), k: at(zoom.k0, right) };
}

/** Which positions get a name: every `step`-th, so that names do not touch. */
export function labelStep(pixelsPerCell: number, lineHeight: number): number {
  const needed = lineHeight / pixelsPerCell;
  for (const step of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]) if (step >= needed) return step;
  return 2000;
}

/** A name no longer than `max` characters. Counted in code points: half an emoji is no character. */
export function elide(text: string, max: number): string {
  const points = [...text];
  return points.length <= max ? text : `${points.slice(0, max - 1).join("")}…`;
}

/**
 * The largest magnitude of each `factor` x `factor` block of an n x n array, with its sign; NaN where
 * no cell of the block has a value.
 */
export function poolMax(values: Float32Array, n: number, factor: number): Float32Array {
  if (factor <= 1) return values;
  const m = Math.ceil(n / factor);
  const out = new Float32Array(m * m).fill(Number.NaN);
  for (let row = 0; row < n; row++) {
    const base = Math.floor(row / factor) * m;
    for (let col = 0; col < n; col++) {
      const value = values[row * n + col] ?? Number.NaN;
      const to = base + Math.floor(col / factor);
      const largest = out[to] ?? Number.NaN;
      if (Number.isNaN(largest) || Math.abs(value) > Math.abs(largest)) out[to] = value;
    }
  }
  return out;
}
