// How many pairs of heads there is room for, and what is shown first where it is too little. Pure.

/** A pair of heads is seen from this width on, in CSS pixels. */
const LEAST_CELL = 3;
/** What the names of the rows take, and a list with its gap beside the map. */
const NAMES = 62;
const LIST = 310;
/** Bytes of scores that are asked for at once: what a message has room for, not pooled. */
const ROOM = 900_000;

export interface Arrangement {
  /** All pairs of heads in one map, or layers first, of which a pair opens into its heads. */
  shows: "heads" | "layers";
  /** The list stands below the map, which needs the width for itself. */
  stacked: boolean;
}

/** `sources` layers of `heads` write, and as many read. */
export function arrangement(width: number, sources: number, heads: number): Arrangement {
  const side = sources * heads;
  const cell = (room: number) => Math.floor((room - NAMES) / side);
  const sent = 4 * side * side <= ROOM;
  if (!sent || cell(width) < LEAST_CELL) return { shows: "layers", stacked: width < 760 };
  // On a narrow page everything is below each other anyway.
  return { shows: "heads", stacked: cell(width - LIST) < LEAST_CELL };
}

/** The height of the map that is shown, with what is written above it and a list below it. */
export function reservedHeight(width: number, sources: number, heads: number): number {
  const { shows, stacked } = arrangement(width, sources, heads);
  if (shows === "layers") return stacked ? 1430 : 900;
  const room = width - NAMES - (stacked ? 0 : LIST);
  const side = sources * heads * Math.min(40, Math.floor(room / (sources * heads)));
  return stacked ? side + 280 : Math.min(side, 590) + 150;
}

/** The scores of two layers' heads, [writer, reader], out of those into one layer. */
export function blockOf(scores: Float32Array, writer: number, heads: number): Float32Array {
  return scores.slice(writer * heads * heads, (writer + 1) * heads * heads);
}
