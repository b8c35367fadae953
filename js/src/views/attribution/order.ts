// The rows' order, which stays while their numbers change.

import { useMemo, useRef } from "preact/hooks";
import { type AttributionRow, inOrder, type Sort, sortRows } from "./rows";

export interface Order {
  rows: readonly AttributionRow[];
  /** Numbers have changed so that the rows are no longer in the order of their column. */
  stale: boolean;
}

/** Sorts when `key` changes (the question, or a click on a header), and keeps that order until then. */
export function useOrder(
  rows: readonly AttributionRow[],
  sort: Sort,
  key: string,
  ablated: ReadonlySet<string>,
): Order {
  const kept = useRef<{ key: string; names: string[] } | null>(null);
  const switches = sort.column === "switch" ? ablated : null;
  return useMemo(() => {
    const sorted = sortRows(rows, sort, (component) => switches?.has(component) ?? false);
    if (kept.current?.key !== key) {
      kept.current = { key, names: sorted.map((row) => row.component) };
      return { rows: sorted, stale: false };
    }
    const shown = inOrder(rows, kept.current.names);
    return { rows: shown, stale: shown.some((row, i) => row !== sorted[i]) };
  }, [rows, sort, key, switches]);
}
