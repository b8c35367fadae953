/** The part of a large circuit that is on screen. Pure. */

export interface Window {
  row: number;
  col: number;
  /** Entries along each side of a cell. */
  pool: number;
}

export const SIZE = 48;
export const START: Window = { row: 0, col: 0, pool: 1 };

/** Moved by whole steps of three quarters of what is in sight, staying inside. */
export function panned(
  from: Window,
  down: number,
  across: number,
  shape: readonly number[],
): Window {
  const step = Math.floor(0.75 * SIZE) * from.pool;
  return inside({ ...from, row: from.row + down * step, col: from.col + across * step }, shape);
}

/** Half or twice as coarse, around the same middle. */
export function zoomed(
  from: Window,
  out: boolean,
  maxPool: number,
  shape: readonly number[],
): Window {
  const pool = out ? Math.min(maxPool, from.pool * 2) : Math.max(1, from.pool / 2);
  const shift = Math.round((SIZE * (from.pool - pool)) / 2);
  return inside({ row: from.row + shift, col: from.col + shift, pool }, shape);
}

/** With an entry in the middle, at the finest. */
export function around(row: number, col: number, shape: readonly number[]): Window {
  return inside({ row: row - SIZE / 2, col: col - SIZE / 2, pool: 1 }, shape);
}

export function inside({ row, col, pool }: Window, shape: readonly number[]): Window {
  const [rows = 1, cols = 1] = shape;
  const clamp = (at: number, size: number) => Math.max(0, Math.min(size - SIZE * pool, at));
  return { row: clamp(row, rows), col: clamp(col, cols), pool };
}
