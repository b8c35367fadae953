import type { Theme } from "../../draw/theme";
import type { CellState } from "./types";

/** How much of an estimate's colour is left. */
export const FADED = 0.5;

const SHARES = { absent: 0.05, unknown: 0.14 } as const;

/**
 * What lies over the cells of a map of very many: they are too small for hatching, and too many to be
 * filled one by one whenever the mouse moves. One pixel a cell.
 */
export function veilOf(
  rows: number,
  cols: number,
  state: (index: number) => CellState,
  theme: Theme,
): HTMLCanvasElement | null {
  const canvas = document.createElement("canvas");
  canvas.width = cols;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  if (!context || rows * cols === 0) return null;
  const image = context.createImageData(cols, rows);
  for (let index = 0; index < rows * cols; index++) {
    const found = state(index);
    if (found === "exact") continue;
    const [r, g, b] = found === "estimate" ? theme.surface : theme.text;
    const share = found === "estimate" ? 1 - FADED : SHARES[found];
    image.data.set([r, g, b, Math.round(255 * share)], 4 * index);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
