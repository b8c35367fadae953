// Which cell of which activation a place on a patching map is, and what it is called. Pure.

import { headLabel } from "../../core/draw/format";
import type { NumArray } from "../../core/state/arrays";
import type { PatchCell, PatchMapInfo, TokenInfo } from "../../generated/protocol";

/** The two axes of a map on screen: heads by position are listed as rows L0H0, L0H1, ... */
export interface Axes {
  rows: string[];
  cols: string[];
  titles: { rows: string; cols: string };
  /** Heads a layer, where rows or columns are heads. */
  heads: number;
}

export function axesOf(map: PatchMapInfo, shape: readonly number[], tokens: readonly TokenInfo[]) {
  const [layers = 0, second = 0, third = 0] = shape;
  const layerNames = names(layers, (i) => `L${i}`);
  const tokenNames = (n: number) => names(n, (i) => `${tokens[i]?.text ?? ""} ${i}`.trim());
  if (map.dims.length === 3) {
    const rows = names(layers * second, (i) => headLabel(Math.floor(i / second), i % second));
    const titles = { rows: "head", cols: "position" };
    return { rows, cols: tokenNames(third), titles, heads: second } satisfies Axes;
  }
  if (map.dims[1] === "head") {
    const cols = names(second, (i) => `H${i}`);
    return { rows: layerNames, cols, titles: { rows: "layer", cols: "head" }, heads: second };
  }
  const titles = { rows: "layer", cols: "position" };
  return { rows: layerNames, cols: tokenNames(second), titles, heads: 0 } satisfies Axes;
}

/** The activation that a place on the map stands for. */
export function cellAt(map: PatchMapInfo, axes: Axes, row: number, col: number): PatchCell {
  const { node } = map;
  if (map.dims.length === 3) {
    const head = row % axes.heads;
    return { node, layer: Math.floor(row / axes.heads), head, pos: col };
  }
  if (map.dims[1] === "head") return { node, layer: row, head: col, pos: null };
  return { node, layer: row, head: null, pos: col };
}

/** "query of L1H4, all positions" */
export function cellName(cell: PatchCell, title: string, tokens: readonly TokenInfo[]): string {
  const where = cell.head === null ? `layer ${cell.layer}` : headLabel(cell.layer, cell.head);
  const text = cell.pos === null ? "" : (tokens[cell.pos]?.text ?? "");
  const at = cell.pos === null ? "all positions" : `position ${cell.pos} “${text}”`;
  return `${title} of ${where}, ${at}`;
}

const HEADER = "activation,layer,head,position,value,standard_error,exact";

/** All maps as comma-separated values, at the full precision of the numbers. */
export function toCsv(
  maps: readonly {
    map: PatchMapInfo;
    axes: Axes;
    values: NumArray;
    sem: NumArray;
    exact: NumArray;
  }[],
): string {
  const lines = maps.flatMap(({ map, axes, values, sem, exact }) =>
    Array.from(values.data, (value, index) => {
      const cell = cellAt(
        map,
        axes,
        Math.floor(index / axes.cols.length),
        index % axes.cols.length,
      );
      const numbers = [value, sem.data[index] ?? Number.NaN].map((x) =>
        Number.isNaN(x) ? "" : String(x),
      );
      const flag = exact.data[index] ? "1" : "0";
      return [map.node, cell.layer, cell.head ?? "", cell.pos ?? "", ...numbers, flag].join(",");
    }),
  );
  return `${[HEADER, ...lines].join("\n")}\n`;
}

function names(n: number, name: (i: number) => string): string[] {
  return Array.from({ length: n }, (_, i) => name(i));
}
