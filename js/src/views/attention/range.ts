import type { Zoom } from "./layout";
import type { Picked } from "./state";

/** Queries and keys of a part of a pattern, as they are asked for: each from a start up to a stop. */
export interface Range {
  query_start: number;
  query_stop: number;
  key_start: number;
  key_stop: number;
}

/** Of a cell, of a row (`k` null) or of a column (`q` null) of a pattern of `count` positions. */
export function rangeOf({ q, k }: Picked, count: number): Range {
  return {
    query_start: q ?? 0,
    query_stop: q === null ? count : q + 1,
    key_start: k ?? 0,
    key_stop: k === null ? count : k + 1,
  };
}

/** Of the cells in a square. */
export function squareRange({ q0, k0, span }: Zoom): Range {
  return { query_start: q0, query_stop: q0 + span, key_start: k0, key_stop: k0 + span };
}

/** Whether a square lies in another. */
export function isInside(inner: Zoom | null, outer: Zoom | null): boolean {
  if (!inner || !outer) return false;
  // Sums of fractions are off by a little.
  const within = (at: number, start: number) =>
    at > start - 1e-6 && at + inner.span < start + outer.span + 1e-6;
  return within(inner.q0, outer.q0) && within(inner.k0, outer.k0);
}
