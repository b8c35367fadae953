// Which cell of which activation a place on a patching map is, and what it is called. Pure.

import { headLabel } from "../../core/draw/format";
import type { NumArray } from "../../core/state/arrays";
import type { MapInfo } from "../../generated/patching";
import type { PatchCell } from "../../generated/session";

/** A map's cells as the kernel told them, and what they lie along. */
export interface MapOf extends MapInfo {
  dims: readonly string[];
}

/** The cells of the first heads: beside maps of all heads, one of fewer ends in columns of nothing. */
export function firstHeads({ shape, data }: NumArray, heads: number): NumArray {
  const [layers = 0, all = 0, ...rest] = shape;
  if (heads === 0 || heads === all) return { shape, data };
  const each = rest.reduce((size, n) => size * n, 1);
  const kept = new Float32Array(layers * heads * each);
  for (let layer = 0; layer < layers; layer++) {
    const from = layer * all * each;
    kept.set(data.subarray(from, from + heads * each), layer * heads * each);
  }
  return { shape: [layers, heads, ...rest], data: kept };
}

/** The two axes of a map on screen: heads by position are listed as rows L0H0, L0H1, ... */
export interface Axes {
  rows: string[];
  cols: string[];
  titles: { rows: string; cols: string };
  /** Heads a layer, where rows or columns are heads. */
  heads: number;
}

export function axesOf(
  map: MapOf,
  shape: readonly number[],
  tokens: readonly string[],
  modelHeads: number,
) {
  const [layers = 0, second = 0, third = 0] = shape;
  const layerNames = names(layers, (i) => `L${i}`);
  // Keys and values of several heads may be one: its number is no head's number.
  const head = second === modelHeads ? "head" : "KV head";
  const tokenNames = (n: number) => names(n, (i) => `${tokens[i] ?? ""} ${i}`.trim());
  if (map.dims.length === 3) {
    const rows = names(layers * second, (i) => headLabel(Math.floor(i / second), i % second));
    const titles = { rows: head, cols: "position" };
    return { rows, cols: tokenNames(third), titles, heads: second } satisfies Axes;
  }
  if (map.dims[1] === "head") {
    const cols = names(second, (i) => `H${i}`);
    return { rows: layerNames, cols, titles: { rows: "layer", cols: head }, heads: second };
  }
  const titles = { rows: "layer", cols: "position" };
  return { rows: layerNames, cols: tokenNames(second), titles, heads: 0 } satisfies Axes;
}

/** The activation that a place on the map stands for. */
export function cellAt(map: MapOf, axes: Axes, row: number, col: number): PatchCell {
  const { node } = map;
  if (map.dims.length === 3) {
    const head = row % axes.heads;
    return { node, layer: Math.floor(row / axes.heads), head, pos: col };
  }
  if (map.dims[1] === "head") return { node, layer: row, head: col, pos: null };
  return { node, layer: row, head: null, pos: col };
}

/** "query of L1H4, all positions"; "key of KV head 1 of layer 4, ..." where heads share their keys. */
export function cellName(
  cell: PatchCell,
  title: string,
  tokens: readonly string[],
  shared: boolean,
): string {
  const layer = `layer ${cell.layer}`;
  const head = cell.head === null ? null : headLabel(cell.layer, cell.head);
  const where = head === null ? layer : shared ? `KV head ${cell.head} of ${layer}` : head;
  const text = cell.pos === null ? "" : (tokens[cell.pos] ?? "");
  const at = cell.pos === null ? "all positions" : `position ${cell.pos} “${text}”`;
  return `${title} of ${where}, ${at}`;
}

function names(n: number, name: (i: number) => string): string[] {
  return Array.from({ length: n }, (_, i) => name(i));
}
