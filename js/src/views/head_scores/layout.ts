// Where the maps of scores stand. Pure.

import { headMapWidth, mapColumns } from "../../core/parts/heatmap/columns";

/** Between maps, as the style sheet has it. */
const GAP = 14;
/** What the list below a map needs for a name, a bar and a number with its error. */
const LEAST = 150;
const KINDS = 5;

/** How many of the kinds' maps stand side by side. */
export function columnsFor(kinds: number, width: number, heads: number): number {
  return mapColumns(kinds, width, Math.max(LEAST, headMapWidth(heads)), GAP);
}

/** The height of all maps with their lists. */
export function reservedHeight(width: number, layers: number, heads: number): number {
  const rows = Math.ceil(KINDS / columnsFor(KINDS, width, heads));
  const cell = Math.max(8, Math.min(16, Math.floor(374 / Math.max(1, layers))));
  return 100 + rows * (layers * cell + 150);
}
