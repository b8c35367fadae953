import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { signed } from "../../core/draw/format";
import { type Column, DataTable, type SortDirection } from "../../core/parts/table/table";
import { Button } from "../../core/parts/ui";
import type { Dataset } from "../../core/state/dataset";
import { flush } from "../../core/state/flush";
import type { Rows } from "../../generated/data";
import { shortened, whole } from "./bars";

export type SortBy = "record" | "group" | "value";
type ColumnId = SortBy | "prompt" | "answers";

function isSortable(column: ColumnId): column is SortBy {
  return column !== "prompt" && column !== "answers";
}

export interface RecordRow {
  record: number;
  group: string;
  prompt: string;
  corrupted: string;
  answers: string;
  value: number;
  open: boolean;
}

/** Room for the texts of an opened row, in CSS pixels: of long ones the rest scrolls. */
function roomFor({ prompt, corrupted, answers }: RecordRow): number {
  const lines = [prompt, corrupted, answers].map((text) =>
    text ? Math.ceil(text.length / 60) : 0,
  );
  return (
    20 +
    20 *
      Math.min(
        12,
        lines.reduce((sum, one) => sum + one, 0),
      )
  );
}

export function rowsOf(data: Dataset<Rows>): readonly RecordRow[] {
  const [group, prompt] = [data.texts("group"), data.texts("prompt")];
  const [corrupted, answers] = [data.texts("corrupted"), data.texts("answers")];
  const [value, open] = [data.numbers("value"), data.numbers("open")];
  return data.whole("record").map((record, at) => ({
    record,
    group: group[at] ?? "",
    prompt: prompt[at] ?? "",
    corrupted: corrupted[at] ?? "",
    answers: answers[at] ?? "",
    value: value[at] ?? Number.NaN,
    open: open[at] === 1,
  }));
}

/** One page of the records: a click or Enter opens one in the session. */
export function RecordTable(props: {
  data: Dataset<Rows>;
  sort: { by: SortBy; descending: boolean };
  onSort: (by: SortBy) => void;
  /** There is no room for the answers. */
  narrow: boolean;
  onOpen: (row: RecordRow) => void;
}): JSX.Element {
  const { data, sort, onSort, narrow, onOpen } = props;
  const rows = useMemo(() => rowsOf(data), [data]);
  const [whole, setWhole] = useState<number | null>(null);
  const { units, quantity, cell } = data.attrs;
  const grouped = rows.some(({ group }) => group !== "");
  const answered = !narrow && rows.some(({ answers }) => answers !== "");
  const columns = useMemo(
    () => columnsOf({ head: cell || quantity, units, grouped, answered }),
    [cell, quantity, units, grouped, answered],
  );
  const seen = rows.find(({ record }) => record === whole);
  const direction: SortDirection = sort.descending ? "descending" : "ascending";
  return (
    <DataTable<RecordRow, ColumnId>
      label="records"
      class={`lw-data-table lw-data-table-${columns.map(({ id }) => id[0]).join("")}`}
      columns={columns}
      rows={rows}
      keyOf={({ record }) => String(record)}
      deps={({ value, group, prompt, answers, open }) => [value, group, prompt, answers, open]}
      attributes={({ record, open }) => ({
        "data-record": String(record),
        "data-open": open ? "" : undefined,
      })}
      sort={{
        column: sort.by,
        direction,
        stale: false,
        onSort: (column) => {
          if (isSortable(column)) onSort(column);
        },
      }}
      choice={{
        selected: String(rows.find(({ open }) => open)?.record ?? ""),
        can: () => true,
      }}
      open={{
        isOpen: ({ record }) => record === whole,
        onTurn: ({ record }, open) => setWhole(open ? record : null),
        button: (key) => `all of record ${key}`,
        detail: seen
          ? { of: String(seen.record), height: roomFor(seen), content: <Whole row={seen} /> }
          : null,
      }}
      onChoose={onOpen}
      empty="No record passes these filters."
    />
  );
}

/** All that is known of a record, as it is. */
function Whole({ row }: { row: RecordRow }): JSX.Element {
  const lines = [
    ["prompt", row.prompt],
    ["corrupted", row.corrupted],
    ["answers", row.answers],
  ].filter(([, text]) => text);
  return (
    <dl class="lw-data-whole">
      {lines.map(([name, text]) => (
        <>
          <dt class="lw-muted">{name}</dt>
          <dd class="lw-mono">{text}</dd>
        </>
      ))}
    </dl>
  );
}

function columnsOf(told: {
  head: string;
  units: string;
  grouped: boolean;
  answered: boolean;
}): readonly Column<RecordRow, ColumnId>[] {
  const { head, units, grouped, answered } = told;
  const columns: (Column<RecordRow, ColumnId> | false)[] = [
    {
      id: "record",
      head: "record",
      names: true,
      cell: ({ record }) => ({ content: record, class: "lw-num" }),
    },
    grouped && {
      id: "group",
      head: "group",
      cell: ({ group }) => ({ content: group, value: group, class: "lw-data-cell" }),
    },
    {
      id: "prompt",
      head: "prompt",
      unsorted: true,
      cell: ({ prompt, open }) => ({
        content: (
          <>
            {open && <span class="lw-data-open">open</span>}
            <span class="lw-mono lw-data-prompt">{shortened(prompt)}</span>
          </>
        ),
        value: prompt,
        class: "lw-data-cell",
      }),
    },
    answered && {
      id: "answers",
      head: "answers",
      unsorted: true,
      cell: ({ answers }) => ({
        content: <span class="lw-mono">{answers}</span>,
        value: answers,
        class: "lw-data-cell",
      }),
    },
    {
      id: "value",
      head,
      numeric: true,
      title: units,
      cell: ({ value }) => ({
        content: signed(value, 4),
        value: Number.isNaN(value) ? null : value,
        class: value < 0 ? "lw-neg" : value > 0 ? "lw-pos" : "",
      }),
    },
  ];
  return columns.filter((column) => column !== false);
}

/** "‹ 26 to 50 of 412 ›". */
export function RowPager(props: {
  first: number;
  count: number;
  found: number;
  onFirst: (first: number) => void;
}): JSX.Element {
  const { first, count, found, onFirst } = props;
  const last = Math.max(0, Math.floor((found - 1) / count) * count);
  const to = (next: number) => flush(() => onFirst(Math.max(0, Math.min(last, next))));
  return (
    <span class="lw-pager lw-num">
      <Button label="first rows" disabled={first === 0} asks onClick={() => to(0)}>
        «
      </Button>
      <Button label="rows before" disabled={first === 0} asks onClick={() => to(first - count)}>
        ‹
      </Button>
      {found === 0
        ? "none"
        : `${whole(first + 1)} to ${whole(Math.min(found, first + count))} of ${whole(found)}`}
      <Button label="rows after" disabled={first >= last} asks onClick={() => to(first + count)}>
        ›
      </Button>
      <Button label="last rows" disabled={first >= last} asks onClick={() => to(last)}>
        »
      </Button>
    </span>
  );
}
