// Values of heads and MLPs together, by the name of the part. Pure.

import { headLabel, parseHead } from "../../core/draw/format";
import { strongestCells } from "../../core/parts/heatmap/strongest";
import { at, type NumArray } from "../../core/state/arrays";

/** Of how many parts the value is written in the grid. */
const PRINTED = 10;

/** The heads [layer, head] and MLPs [layer] that are farthest from zero; those without colour are none. */
export function strongestParts(
  heads: NumArray | null,
  mlps: NumArray | null,
  scale: number,
): ReadonlySet<string> {
  if (!heads || !mlps) return new Set();
  const nHeads = heads.shape[1] ?? 0;
  const all = new Float32Array(heads.data.length + mlps.data.length);
  all.set(heads.data);
  all.set(mlps.data, heads.data.length);
  const found = strongestCells(all, PRINTED, (value) => value / (scale || 1));
  return new Set(
    [...found].map((index) => {
      const layer = index - heads.data.length;
      return layer >= 0 ? `L${layer}.mlp` : headLabel(Math.floor(index / nHeads), index % nHeads);
    }),
  );
}

/** The value of "L1H4" or "L2.mlp"; NaN while it is unknown, and for a part that there is not. */
export function valueOfPart(part: string, heads: NumArray | null, mlps: NumArray | null): number {
  const head = parseHead(part);
  if (head) return heads ? at(heads, head.layer, head.head) : Number.NaN;
  const layer = /^L(\d+)\.mlp$/.exec(part)?.[1];
  return mlps && layer !== undefined ? at(mlps, Number(layer)) : Number.NaN;
}
