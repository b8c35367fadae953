// Geometry of the layer x head grid of switches.

export interface GridSize {
  cellWidth: number;
  cellHeight: number;
  mlpWidth: number;
  gap: number;
  /** Whether a value fits inside a cell without being clipped. */
  printHeads: boolean;
  printMlps: boolean;
}

const LAYER_LABEL = 30;
/** Left and right of the grid, for the outlines of its outer cells. */
const PADDING = 6;
const MLP_GAP = 16;
const WIDEST = 44;
const SMALLEST = 11;
/** Room for "−12.3" in the cell's font. */
const PRINT_WIDTH = 33;
const PRINT_HEIGHT = 16;
/** All layers are shown at once as long as they fit in this. */
const TALLEST_GRID = 440;

/** Cells share the room given, within limits; below the smallest size the grid scrolls instead. */
export function gridSize(room: number, layers: number, heads: number, hasMlps: boolean): GridSize {
  const gap = heads > 16 || layers > 16 ? 2 : 4;
  const tall = layers > 8 ? 22 : 24;
  const fitting = Math.floor(TALLEST_GRID / Math.max(1, layers)) - gap;
  const height = Math.max(SMALLEST, Math.min(tall, fitting));
  const mlpWidth = !hasMlps ? 0 : height >= PRINT_HEIGHT ? 40 : 26;
  const across = room - PADDING - LAYER_LABEL - (hasMlps ? MLP_GAP + mlpWidth : 0) - heads * gap;
  const cellWidth = Math.max(SMALLEST, Math.min(WIDEST, Math.floor(across / heads)));
  const printHeads = cellWidth >= PRINT_WIDTH && height >= PRINT_HEIGHT;
  return {
    cellWidth,
    // Cells without a value are squares at most.
    cellHeight: printHeads ? height : Math.min(height, Math.max(cellWidth, PRINT_HEIGHT)),
    mlpWidth,
    gap,
    printHeads,
    printMlps: hasMlps && height >= PRINT_HEIGHT,
  };
}
