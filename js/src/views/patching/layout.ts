// Which cell of which activation a place on a patching map is, and what it is called. Pure.

import { headLabel } from "../../core/draw/format";
import { headMapWidth, mapColumns } from "../../core/parts/heatmap/columns";
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
  /** Said behind the map's title: that its heads are not the model's. */
  note: string;
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
  const shared = map.dims[1] === "head" && second !== modelHeads;
  const note = shared ? ` · ${second} KV head${second === 1 ? "" : "s"}` : "";
  const tokenNames = (n: number) => names(n, (i) => `${tokens[i] ?? ""} ${i}`.trim());
  if (map.dims.length === 3) {
    const name = (layer: number, i: number) => (shared ? `L${layer}KV${i}` : headLabel(layer, i));
    const rows = names(layers * second, (i) => name(Math.floor(i / second), i % second));
    const titles = { rows: shared ? "KV head" : "head", cols: "position" };
    return { rows, cols: tokenNames(third), titles, note, heads: second } satisfies Axes;
  }
  if (map.dims[1] === "head") {
    const cols = names(second, (i) => (shared ? sharers(i, second, modelHeads) : `H${i}`));
    const titles = { rows: "layer", cols: shared ? "KV head" : "head" };
    return { rows: layerNames, cols, titles, note, heads: second } satisfies Axes;
  }
  const titles = { rows: "layer", cols: "position" };
  return { rows: layerNames, cols: tokenNames(second), titles, note, heads: 0 } satisfies Axes;
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

/** The heads that one of several shared keys and values serves: "H3–H5" of the second of three. */
export function sharers(kv: number, kvHeads: number, heads: number): string {
  const each = heads / kvHeads;
  return each > 1 ? `H${kv * each}–H${(kv + 1) * each - 1}` : `H${kv * each}`;
}

/** "query of L1H4, all positions"; "key of KV 1 (H3–H5) in layer 4, ..." where heads share their keys. */
export function cellName(
  cell: PatchCell,
  title: string,
  tokens: readonly string[],
  heads: { here: number; model: number },
): string {
  const layer = `layer ${cell.layer}`;
  const head = cell.head === null ? null : headLabel(cell.layer, cell.head);
  const shared = heads.here !== heads.model;
  const serving = sharers(cell.head ?? 0, heads.here, heads.model);
  const where = head === null ? layer : shared ? `KV ${cell.head} (${serving}) in ${layer}` : head;
  const text = cell.pos === null ? "" : (tokens[cell.pos] ?? "");
  const at = cell.pos === null ? "all positions" : `position ${cell.pos} “${text}”`;
  return `${title} of ${where}, ${at}`;
}

/** "L1H4", "L4 H3–H5" of shared keys, "L1H4 at ·Mary 3": for the line below a narrow map. */
export function shortName(axes: Axes, row: number, col: number): string {
  const [down = "", across = ""] = [axes.rows[row], axes.cols[col]];
  if (axes.titles.cols === "position") return `${down} at ${across}`;
  return across.includes("–") ? `${down} ${across}` : `${down}${across}`;
}

/** What one map needs, in CSS pixels: heads or tokens that can be told apart, beside the rows' names. */
export function leastWidth(axes: Axes): number {
  if (axes.titles.cols !== "position") return headMapWidth(axes.cols.length);
  const names = axes.heads > 0 ? 66 : 50;
  return Math.min(420, names + axes.cols.length * (axes.cols.length <= 32 ? 11 : 4));
}

/** The height of maps of heads, with what stands above and below them. */
export function reservedHeight(width: number, layers: number, heads: number): number {
  const rows = Math.ceil(MAPS_OF_HEADS / mapColumns(MAPS_OF_HEADS, width, headMapWidth(heads), 16));
  const cell = Math.max(8, Math.min(16, Math.floor(434 / Math.max(1, layers))));
  return 88 + rows * (layers * cell + 91) + (rows - 1) * 10;
}

/** Outputs, queries, keys, values and patterns. */
const MAPS_OF_HEADS = 5;

function names(n: number, name: (i: number) => string): string[] {
  return Array.from({ length: n }, (_, i) => name(i));
}

/** How far the estimates of a map can be trusted, short enough for a narrow map. */
export function trust({ method, linear_correlation: r, n_exact }: MapInfo): string {
  const exact = `${n_exact.toLocaleString("en")} exact`;
  if (method === null) return exact;
  return r === null
    ? `${method} · ${exact}`
    : `${method}, r\u00a0=\u00a0${r.toFixed(2)} · ${exact}`;
}

/** The same in a sentence: "Estimates by relp, r = 0.97 over 40 exact cells (by rank 0.95)". */
export function trustTitle(map: MapInfo): string {
  const { method, linear_correlation: r, rank_correlation: rank, n_exact } = map;
  if (method === null) return "This model gives no gradients, so nothing is estimated";
  if (r === null) return `Estimates by ${method}, not yet compared with exact cells`;
  const cells = `${n_exact.toLocaleString("en")} exact cell${n_exact === 1 ? "" : "s"}`;
  const byRank = rank === null ? "" : ` (by rank ${rank.toFixed(2)})`;
  return `Estimates by ${method}, r = ${r.toFixed(2)} over ${cells}${byRank}`;
}
