// What the colours of patching maps start from and end at. Pure.

import { brief, niceCeil } from "../../core/draw/format";

/** What of an answer the scale depends on. */
export interface Ends {
  /** What a cell without an effect has, and one that carries everything: in the units shown. */
  unpatched: number;
  full: number;
  /** The metric of both runs. */
  clean: number;
  corrupted: number;
  units: string;
}

export interface PatchScale {
  center: number;
  hi: number;
  /** Larger values are redder. */
  flipped: boolean;
  /** What is written at the ends of the bar, and behind it. */
  ends: readonly [string, string];
  said: string;
}

/**
 * From the unpatched run, which has the panel's own colour, to what the other run has, and as far the
 * other way: the same for every map and every revision. Blue raises the metric, as everywhere: a share of
 * what is broken counts upwards while the metric falls, so its colours run the other way.
 */
export function patchScale(
  { unpatched, full, clean, corrupted, units }: Ends,
  chosen: { patch_into: "corrupted" | "clean"; normalize: boolean },
  values: readonly Float32Array[],
): PatchScale {
  const span = Math.abs(full - unpatched);
  const rises = chosen.patch_into === "corrupted" ? clean >= corrupted : corrupted >= clean;
  const hi = span > 1e-6 ? span : niceCeil(farthest(values, unpatched));
  const flipped = chosen.normalize && !rises;
  const ends = [unpatched - hi, unpatched + hi].map((end) => brief(tidy(end)));
  const [low = "", high = ""] = flipped ? ends.reverse() : ends;
  const said = `${units}; ${brief(tidy(unpatched))} is the unpatched run`;
  return { center: unpatched, hi, flipped, ends: [low, high], said };
}

function farthest(values: readonly Float32Array[], from: number): number {
  let found = 0;
  for (const array of values) {
    for (const value of array) {
      const away = Math.abs(value - from);
      if (away > found) found = away;
    }
  }
  return found;
}

/** Three digits, so that nothing is written as 1.0000001. */
function tidy(value: number): number {
  return Math.abs(value) < 1e-6 ? 0 : Number(value.toPrecision(3));
}
