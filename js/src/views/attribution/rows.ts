// Order and filter of the attribution table's rows. Pure: no markup, no session.

import { change } from "../../core/draw/format";
import type { Dataset } from "../../core/state/dataset";
import type { EffectNumbers, Neurons, Rows } from "../../generated/attribution";

/** One part of the model: its effects, null where unknown, and its place. */
export interface AttributionRow extends EffectNumbers {
  component: string;
  layer: number | null;
  head: number | null;
  ablatable: boolean;
}

const EFFECTS = ["baseline", "current", "baseline_sem", "current_sem", "change_sem"] as const;

/** The effects at one place of an answer. */
export function effectsAt(data: Dataset<Rows> | Dataset<Neurons>, at: number): EffectNumbers {
  const [baseline, current, baseline_sem, current_sem, change_sem] = EFFECTS.map((name) =>
    known(data.numbers(name)[at]),
  );
  return {
    baseline: baseline ?? null,
    current: current ?? null,
    baseline_sem: baseline_sem ?? null,
    current_sem: current_sem ?? null,
    change_sem: change_sem ?? null,
  };
}

export function rowsOf(data: Dataset<Rows>): AttributionRow[] {
  return data.texts("component").map((component, at) => ({
    component,
    layer: known(data.numbers("layer")[at]),
    head: known(data.numbers("head")[at]),
    ablatable: data.numbers("ablatable")[at] === 1,
    ...effectsAt(data, at),
  }));
}

/** What all parts sum to, as a row. */
export function totalOf(data: Dataset<Rows>): AttributionRow {
  const place = { component: "total", layer: null, head: null, ablatable: false };
  return { ...place, ...data.attrs.total };
}

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

export type SortColumn = "switch" | "part" | "bar" | "baseline" | "current" | "change";
export type SortDirection = "ascending" | "descending";

export interface Sort {
  column: SortColumn;
  direction: SortDirection;
}

/** Largest baseline effect first: interventions never move it, so rows keep their place. */
export const DEFAULT_SORT: Sort = { column: "baseline", direction: "descending" };

export function rowChange(row: AttributionRow): number | null {
  return change(row.baseline, row.current);
}

/** The direction a column starts with: names from the first layer, numbers from the largest. */
function firstDirection(column: SortColumn): SortDirection {
  return column === "part" ? "ascending" : "descending";
}

/**
 * What a click on a header asks for. A column whose rows have moved away from its order since it
 * was sorted (`stale`) is sorted again the same way; otherwise the direction turns.
 */
export function nextSort(sort: Sort, column: SortColumn, stale: boolean): Sort {
  if (sort.column !== column) return { column, direction: firstDirection(column) };
  if (stale) return sort;
  return { column, direction: sort.direction === "ascending" ? "descending" : "ascending" };
}

/** Where a part stands in the model: embeddings, then layer by layer heads, attention, MLP, bias. */
function depth(row: AttributionRow): [number, number, number] {
  const name = row.component;
  if (row.layer === null) return name.startsWith("bias") ? [1e9, 0, 0] : [-1, 0, 0];
  if (row.head !== null) return [row.layer, 0, row.head];
  if (name.endsWith(".attn")) return [row.layer, 1, 0];
  return [row.layer, 2, 0];
}

function compareDepth(a: AttributionRow, b: AttributionRow): number {
  const x = depth(a);
  const y = depth(b);
  return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
}

/**
 * The number a column is sorted by. Value columns go by size, whatever the sign, since that is what
 * a part matters by; the bar column goes by the signed effect, from helping to hurting.
 */
function sortKey(row: AttributionRow, column: SortColumn, ablated: boolean): number | null {
  switch (column) {
    case "switch":
      return ablated ? 1 : 0;
    case "bar":
      return row.current;
    case "baseline":
      return row.baseline === null ? null : Math.abs(row.baseline);
    case "current":
      return row.current === null ? null : Math.abs(row.current);
    case "change": {
      const moved = rowChange(row);
      return moved === null ? null : Math.abs(moved);
    }
    case "part":
      return null;
  }
}

/** A sorted copy. Unknown values come last in both directions; ties keep the model's order. */
export function sortRows(
  rows: readonly AttributionRow[],
  sort: Sort,
  isAblated: (component: string) => boolean,
): AttributionRow[] {
  const sign = sort.direction === "ascending" ? 1 : -1;
  if (sort.column === "part") return [...rows].sort((a, b) => sign * compareDepth(a, b));
  const keyed = rows.map((row) => ({
    row,
    key: sortKey(row, sort.column, isAblated(row.component)),
  }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) {
      return Number(a.key === null) - Number(b.key === null) || compareDepth(a.row, b.row);
    }
    return sign * (a.key - b.key) || compareDepth(a.row, b.row);
  });
  return keyed.map((item) => item.row);
}

/** Rows in the order of `names`; parts that are not in it follow. */
export function inOrder(
  rows: readonly AttributionRow[],
  names: readonly string[],
): AttributionRow[] {
  const place = new Map(names.map((name, index) => [name, index]));
  const end = names.length;
  return [...rows].sort(
    (a, b) => (place.get(a.component) ?? end) - (place.get(b.component) ?? end),
  );
}

/**
 * Whether a part's name matches what was typed. Words must all match, commas mean "or". A word that
 * ends in a digit stops there, so that "L1" finds L1H4 and L1.mlp but not L10H4.
 */
export function matches(component: string, query: string): boolean {
  const alternatives = query
    .toLowerCase()
    .split(",")
    .map((part) => part.split(/\s+/).filter((word) => word !== ""))
    .filter((words) => words.length > 0);
  if (alternatives.length === 0) return true;
  const name = component.toLowerCase();
  return alternatives.some((words) => words.every((word) => hasWord(name, word)));
}

function hasWord(name: string, word: string): boolean {
  const endsInDigit = /\d$/.test(word);
  for (let at = name.indexOf(word); at >= 0; at = name.indexOf(word, at + 1)) {
    const next = name[at + word.length];
    if (!endsInDigit || next === undefined || !/\d/.test(next)) return true;
  }
  return false;
}

const ROW_HEIGHT = 26;
const HEAD_AND_TOTAL = 58;
const FEWEST = 4;

/** How many rows a table of this height shows between its header and its total. */
export function rowsIn(height: number): number {
  return Math.max(FEWEST, Math.floor((height - HEAD_AND_TOTAL) / ROW_HEIGHT));
}

/** The first rows, as many as there is room for; the selected one is always among them, last if need be. */
export function firstRows(
  rows: readonly AttributionRow[],
  room: number,
  selected: string,
): readonly AttributionRow[] {
  if (rows.length <= room) return rows;
  const first = rows.slice(0, room);
  const chosen = rows.find(({ component }) => component === selected);
  return !chosen || first.includes(chosen) ? first : [...first.slice(0, -1), chosen];
}
