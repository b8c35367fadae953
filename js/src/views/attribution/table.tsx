import type { ComponentChildren, JSX } from "preact";
import { useMemo } from "preact/hooks";
import { parseHead } from "../../core/draw/format";
import { DataTable } from "../../core/parts/table/table";
import type { HeadRef } from "../../core/state/session";
import { attributionColumns, type ShownRow, shownOf } from "./cells";
import { barScale, digitsFor } from "./layout";
import type { AttributionRow, Sort, SortColumn } from "./rows";

export interface TableProps {
  /** In the order shown, filtered. */
  rows: readonly AttributionRow[];
  /** All rows, whatever the filter: they make the scale and the count. */
  all: readonly AttributionRow[];
  total: AttributionRow;
  label: string;
  sort: Sort;
  stale: boolean;
  ablated: ReadonlySet<string>;
  selected: string;
  previewed: string | null;
  /** The part whose detail is shown below its row. */
  open: string | null;
  opens: (row: AttributionRow) => boolean;
  detail: { content: ComponentChildren; height: number };
  onOpen: (component: string | null) => void;
  onSort: (column: SortColumn) => void;
  /** The same function for as long as the view is mounted. */
  onToggle: (component: string) => void;
  onPreview: (head: HeadRef | null) => void;
  onSelect: (head: HeadRef) => void;
}

/** The parts of the model between a header and their sum. */
export function Table(props: TableProps): JSX.Element {
  const { rows, all, total, sort, ablated, open, onToggle } = props;
  const { lo, hi } = useMemo(() => barScale(all), [all]);
  const count = all.length;
  const columns = useMemo(
    () =>
      attributionColumns({
        ...{ total, count, onToggle },
        shown: rows.length,
        scale: { lo, hi },
        digits: digitsFor(lo, hi),
      }),
    [total, count, rows.length, lo, hi, onToggle],
  );
  const shown = useMemo(
    () => rows.map((row): ShownRow => ({ ...row, ablated: ablated.has(row.component) })),
    [rows, ablated],
  );
  return (
    <DataTable
      label={props.label}
      class="lw-attr-table"
      columns={columns}
      rows={shown}
      keyOf={nameOf}
      deps={shownOf}
      attributes={({ component, head, current, ablated: off }) => ({
        "data-component": component,
        "data-head": head === null ? undefined : component,
        "data-value": head === null || current === null ? undefined : String(current),
        "data-ablated": String(off),
      })}
      total={{ title: `sum of all ${count} parts`, "data-component": "total" }}
      sort={{ ...sort, stale: props.stale, onSort: props.onSort }}
      choice={{ selected: props.selected, can: ({ head }) => head !== null }}
      follow={String(props.selected)}
      previewed={props.previewed}
      open={{
        isOpen: (row) => (props.opens(row) ? row.component === open : null),
        onTurn: ({ component }, isOpen) => props.onOpen(isOpen ? component : null),
        button: (component) => `what ${component} is made of`,
        detail: open === null ? null : { of: open, ...props.detail },
      }}
      empty="No part matches the filter."
      onChoose={({ component }) => {
        const head = parseHead(component);
        if (head) props.onSelect(head);
      }}
      onToggle={({ component, ablatable }) => {
        if (ablatable) onToggle(component);
      }}
      onPreview={(row) => props.onPreview(row && parseHead(row.component))}
    />
  );
}

function nameOf({ component }: AttributionRow): string {
  return component;
}
