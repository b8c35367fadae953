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
