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
  const across = room - LAYER_LABEL - (hasMlps ? MLP_GAP + mlpWidth : 0) - heads * gap;
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

/** Every how many heads a column label is printed, so that labels never touch. */
export function labelEvery(cellWidth: number, gap: number, heads: number): number {
  const widest = 8 + 7 * String(Math.max(0, heads - 1)).length;
  for (const step of [1, 2, 4, 8, 16, 32]) {
    if (step * (cellWidth + gap) >= widest) return step;
  }
  return 64;
}

export type CellKey = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" | "Home" | "End";

export interface CellRef {
  layer: number;
  /** Head index, or the number of heads for the MLP column. */
  column: number;
}

/** The cell a key moves to. Layers without an MLP are skipped over in the MLP's column. */
export function moveCell(
  cell: CellRef,
  key: CellKey,
  layers: number,
  heads: number,
  mlpLayers: ReadonlySet<number>,
): CellRef {
  const lastOf = (layer: number) => (mlpLayers.has(layer) ? heads : heads - 1);
  switch (key) {
    case "ArrowLeft":
      return { ...cell, column: Math.max(0, cell.column - 1) };
    case "ArrowRight":
      return { ...cell, column: Math.min(lastOf(cell.layer), cell.column + 1) };
    case "Home":
      return { ...cell, column: 0 };
    case "End":
      return { ...cell, column: lastOf(cell.layer) };
    case "ArrowUp":
    case "ArrowDown": {
      const step = key === "ArrowUp" ? -1 : 1;
      for (let layer = cell.layer + step; layer >= 0 && layer < layers; layer += step) {
        if (cell.column < heads || mlpLayers.has(layer)) return { layer, column: cell.column };
      }
      return cell;
    }
  }
}

export function isCellKey(key: string): key is CellKey {
  return /^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(key);
}

/** The component a cell switches, as TransformerLens names it. */
export function componentAt(cell: CellRef, heads: number): string {
  return cell.column < heads ? `L${cell.layer}H${cell.column}` : `L${cell.layer}.mlp`;
}
