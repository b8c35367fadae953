// The table as comma-separated values, at the full precision of the numbers.

import { csv } from "../../core/export/csv";
import type { AttributionRow } from "../../generated/protocol";
import { rowChange } from "./rows";

const HEADER = [
  ...["component", "layer", "head", "baseline", "current", "change"],
  ...["baseline_sem", "current_sem", "change_sem"],
];

/** The shown rows in the shown order, then the total. Missing values are empty fields. */
export function toCsv(rows: readonly AttributionRow[], total: AttributionRow | null): string {
  const all = total === null ? rows : [...rows, { ...total, component: "total" }];
  return csv(
    HEADER,
    all.map((row) => [
      ...[row.component, row.layer, row.head, row.baseline, row.current, rowChange(row)],
      ...[row.baseline_sem, row.current_sem, row.change_sem],
    ]),
  );
}
