// Geometry of the explorer's columns, in CSS pixels. Pure.

import type { ColumnRoom } from "../../core/parts/columns";
import { gridLayout, headsColumn, NAMES_HEIGHT } from "../attention/layout";

/** From this width on there are three columns. */
export const WIDE = 860;

/** With the header and the tokens: a window that is 900 px tall shows all of it. */
const TALLEST = 880;
const SHORTEST = 600;
const LEAST_LEFT = 0.26;
const MOST_LEFT = 0.34;
/** A card's head, its padding and borders, and what the marks on heads mean. */
const AROUND_HEADS = { width: 28, height: 84 };
/** What stands above and below the cells of the effects. */
const AROUND_EFFECTS = 198;
const EFFECT_ROW = 18;
/** Tabs, head, choices, names of keys and readout around the large pattern. */
const AROUND_PLOT = 280;
/** For the thumbnails of one layer, where there is no room for all. */
const ONE_LAYER = 200;

export interface ExplorerColumns extends ColumnRoom {
  leftWidth: number;
  height: number;
  /** Of the heads' card, where the effects stand in the same column. */
  headsHeight: number;
  /** Whether patterns and effects both fit below each other, or one is chosen. */
  left: "both" | "choice";
}

/** How the explorer uses a width, below a top of so many pixels. */
export function columnsOf(
  layers: number,
  heads: number,
  width: number,
  top: number,
): ExplorerColumns {
  const least = Math.floor(width * LEAST_LEFT);
  const most = Math.floor(width * MOST_LEFT);
  const height = Math.max(SHORTEST, TALLEST - top);
  const room = height - AROUND_HEADS.height;
  const leftWidth = Math.max(least, Math.min(most, headsColumn(layers, heads, room)));
  const grid = gridLayout(layers, heads, leftWidth - AROUND_HEADS.width, room);
  const common = { height, plot: height - AROUND_PLOT };
  if (!grid.fits) {
    const effects = height - AROUND_EFFECTS - ONE_LAYER;
    const one = { heads: "layer", thumbnails: 0, headsHeight: ONE_LAYER } as const;
    return { ...common, ...one, leftWidth: most, effects, left: "both" };
  }
  const thumbnails = grid.height + NAMES_HEIGHT;
  const headsHeight = thumbnails + AROUND_HEADS.height;
  const below = height - headsHeight - AROUND_EFFECTS;
  const left = below >= layers * EFFECT_ROW ? "both" : "choice";
  const effects = left === "both" ? below : height - AROUND_EFFECTS;
  return { ...common, leftWidth, heads: "all", thumbnails, headsHeight, effects, left };
}
