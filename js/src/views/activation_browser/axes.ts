/** What the rows and columns of a slice are called. Pure. */

import type { Dataset } from "../../core/state/dataset";
import type { Slice } from "../../generated/activation_browser";
import { HEAD_DIMS, POS_DIMS } from "./list";

/** One side of a slice: cell i is the numbers from `start + i * pool` on, `pool` of them. */
export interface Side {
  dim: string;
  start: number;
  pool: number;
  /** How many cells there are, and how many numbers the whole axis has. */
  cells: number;
  size: number;
}

export function sidesOf(plane: Dataset<Slice>): { row: Side; column: Side } {
  const [rows = 0, columns = 0] = plane.array("values").shape;
  const { row_dim, first_row, row_pool, n_rows } = plane.attrs;
  const { column_dim, first_column, column_pool, n_columns } = plane.attrs;
  return {
    row: { dim: row_dim, start: first_row, pool: row_pool, cells: rows, size: n_rows },
    column: {
      dim: column_dim,
      start: first_column,
      pool: column_pool,
      cells: columns,
      size: n_columns,
    },
  };
}

/** The first number's index of each cell. */
export function indices({ start, pool, cells }: Side): number[] {
  return Array.from({ length: cells }, (_, i) => start + i * pool);
}

/** Short names beside the map: tokens at positions, H3, or the index. */
export function labels(side: Side, tokens: readonly string[]): string[] {
  return indices(side).map((index) => {
    if (side.dim === "") return "";
    if (POS_DIMS.includes(side.dim) && side.pool === 1) return tokens[index] ?? `${index}`;
    return HEAD_DIMS.includes(side.dim) ? `H${index}` : `${index}`;
  });
}

/** A cell's place along one side in words. */
export function spoken(side: Side, cell: number, label: string): string {
  if (side.dim === "") return "";
  const name = titleOf(side.dim);
  const index = side.start + cell * side.pool;
  if (side.pool > 1) {
    return `${name} ${index} to ${Math.min(index + side.pool, side.size) - 1}`;
  }
  return POS_DIMS.includes(side.dim) ? `${name} ${index} ${label}` : `${name} ${index}`;
}

/** "position 0 to 399 of 600". */
export function span({ dim, start, pool, cells, size }: Side): string {
  return `${titleOf(dim)} ${start} to ${Math.min(start + cells * pool, size) - 1} of ${size}`;
}

export function isPart({ start, cells, pool, size }: Side): boolean {
  return start > 0 || start + cells * pool < size;
}

const TITLES: Readonly<Record<string, string>> = {
  pos: "position",
  query_pos: "query",
  key_pos: "key",
  key_value_head: "key-value head",
};

export function titleOf(dim: string): string {
  return TITLES[dim] ?? dim;
}
