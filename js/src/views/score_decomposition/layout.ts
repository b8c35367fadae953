// How finely scores are split where there is room for so much. Pure.

/** What the names of the sources take, in CSS pixels. */
const NAMES = 70;
const LEAST_CELL = 4;
/** From this many sources on the map needs the width that two have otherwise. */
const SIDE_BY_SIDE = 90;

export interface Split {
  by: "head" | "layer";
  /** The maps stand below each other. */
  stacked: boolean;
}

/**
 * A head of layer `layer` reads what `layer * heads` heads wrote, and a few parts more. Where they would
 * be thinner than four pixels each, the heads of a layer are one source.
 */
export function splitFor(
  width: number,
  layer: number,
  heads: number,
  wanted: "head" | "layer",
): Split {
  const sources = layer * (heads + 2) + 4;
  if (wanted === "layer") return { by: "layer", stacked: false };
  if (NAMES + LEAST_CELL * sources > width) return { by: "layer", stacked: false };
  return { by: "head", stacked: sources > SIDE_BY_SIDE };
}
