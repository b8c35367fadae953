// Geometry of the layer x head grid of switches.

export interface GridSize {
  cellWidth: number;
  cellHeight: number;
  mlpWidth: number;
  gap: number;
  /** The whole grid with its names: what a place for it is reserved by. */
  height: number;
}

const LAYER_LABEL = 30;
/** Left and right of the grid, for the outlines of its outer cells. */
const PADDING = 6;
const MLP_GAP = 16;
const MLP_WIDTH = 40;
const WIDEST = 44;
/** Narrower cells cannot be told apart; where they do not fit the grid scrolls sideways. */
const NARROWEST = 8;
/** Names and values are 11 px high. */
const LOWEST = 16;
const NAMES = 16;
/** All layers are shown at once; they share this as long as rows are not too low to hit. */
const TALLEST_GRID = 440;
/** What one character of a value takes, and what stays free beside it. */
const CHAR = 6.6;
const AROUND = 4;

/** How far cells may shrink, and the height that all layers may take as long as they do not. */
export interface GridLimits {
  tallest: number;
  narrowest: number;
  lowest: number;
}

const LIMITS: GridLimits = { tallest: TALLEST_GRID, narrowest: NARROWEST, lowest: LOWEST };

/** Cells share the room given, within limits. */
export function gridSize(
  room: number,
  layers: number,
  heads: number,
  hasMlps: boolean,
  within: GridLimits = LIMITS,
): GridSize {
  const gap = heads > 16 || layers > 24 ? 1 : layers > 16 ? 2 : 4;
  const tall = layers > 8 ? 22 : 24;
  const fitting = Math.floor(within.tallest / Math.max(1, layers)) - gap;
  const cellHeight = Math.max(within.lowest, Math.min(tall, fitting));
  const mlpWidth = hasMlps ? MLP_WIDTH : 0;
  const across = room - PADDING - LAYER_LABEL - (hasMlps ? MLP_GAP + mlpWidth : 0) - heads * gap;
  // Whole pixels, but for cells of which the rest would be a column.
  const wide = across < heads * NARROWEST ? across / heads : Math.floor(across / heads);
  const cellWidth = Math.max(within.narrowest, Math.min(WIDEST, wide));
  const height = PADDING + layers * (cellHeight + gap) + NAMES;
  return { cellWidth, cellHeight, mlpWidth, gap, height };
}

/** Whether a value is not clipped by a cell of this width. */
export function fitsCell(text: string, width: number): boolean {
  return text.length * CHAR + AROUND <= width;
}
