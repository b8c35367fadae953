import { type ComponentChildren, Fragment, type JSX, type TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { flush } from "../../state/flush";
import { type Cell, type Column, DataCell, type Open, TableRow } from "./row";
import { rowTo, rowWindow, scrollToRow, WINDOW_FROM } from "./rows";

export type { Cell, Column } from "./row";

export type SortDirection = "ascending" | "descending";

export interface DataTableProps<R, Id extends string = string> {
  label: string;
  class?: string;
  /** Keep them (useMemo) while their cells say the same of a row. */
  columns: readonly Column<R, Id>[];
  /** In the order shown. */
  rows: readonly R[];
  keyOf: (row: R) => string;
  /** Which values a row's cells show: a row is rendered again when one of them changes. Default: the row. */
  deps?: (row: R) => readonly unknown[];
  /** Names and states on the row's element. */
  attributes?: (row: R) => Readonly<Record<`data-${string}`, string | boolean | undefined>>;
  /** A last row that stays in view, with the columns' `total`; the attributes of its element. */
  total?: Readonly<Record<"title" | `data-${string}`, string>>;
  sort?: {
    column: Id;
    direction: SortDirection;
    /** Whether rows have moved away from the order since it was made. */
    stale: boolean;
    onSort: (column: Id) => void;
  };
  /** Rows that can be chosen, and the key of the chosen one. */
  choice?: { selected: string | null; can: (row: R) => boolean };
  /** The row that another view points at. */
  previewed?: string | null;
  /** A row that shows more below it. */
  open?: Open<R>;
  /** What is said where there are no rows. */
  empty?: string;
  /** A click, or Enter. */
  onChoose?: (row: R) => void;
  /** The space key. */
  onToggle?: (row: R) => void;
  onPreview?: (row: R | null) => void;
}

const HEAD_HEIGHT = 28;
const TOTAL_HEIGHT = 30;

/**
 * Rows between a header and a total that stay in view; of a long table those near are rendered. One row
 * takes part in the tab order: arrows, pages, Home and End move, Enter chooses and opens, right and left
 * open and close, space toggles, Escape closes what is open.
 */
export function DataTable<R, Id extends string>(props: DataTableProps<R, Id>): JSX.Element {
  const { columns, rows, keyOf, sort, choice, previewed = null, open, onPreview } = props;
  const grid = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 480 });
  const [cursor, setCursor] = useState(0);
  const focusNext = useRef(false);
  const openAt = open?.key == null ? -1 : rows.findIndex((row) => keyOf(row) === open.key);
  const opened = open && openAt >= 0 ? { at: openAt, height: open.height } : null;
  const part = rowWindow(rows.length, scroll.top, scroll.height, opened);
  const inTabOrder = Math.min(cursor, rows.length - 1);
  const covered = { top: HEAD_HEIGHT, bottom: props.total ? TOTAL_HEIGHT : 0 };

  useLayoutEffect(() => {
    const box = grid.current;
    if (!focusNext.current || !box) return;
    focusNext.current = false;
    const key = rows[cursor] && keyOf(rows[cursor]);
    const row = box.querySelector(`[data-row-key="${CSS.escape(key ?? "")}"]`);
    if (!(row instanceof HTMLElement)) return;
    // Within the table alone: the browser's own scrolling would move the notebook, too.
    row.focus({ preventScroll: true });
    reveal(box, row, covered);
  });

  const measure = () => {
    const box = grid.current;
    if (box) setScroll({ top: box.scrollTop, height: box.clientHeight });
  };
  const moveTo = (index: number) => {
    const box = grid.current;
    const to = Math.max(0, Math.min(rows.length - 1, index));
    if (!box || rows.length === 0) return;
    // A row that is not rendered must be brought near first.
    if (rows.length > WINDOW_FROM) {
      box.scrollTop = scrollToRow(to, box.scrollTop, box.clientHeight, covered, opened);
    }
    focusNext.current = true;
    flush(() => {
      measure();
      setCursor(to);
    });
  };
  const indexOf = (target: EventTarget | null): number => {
    const row = target instanceof Element ? target.closest("[data-row-key]") : null;
    const key = row?.getAttribute("data-row-key");
    return key == null ? -1 : rows.findIndex((one) => keyOf(one) === key);
  };
  const turn = (row: R) => {
    if (open?.can(row)) open.onOpen(open.key === keyOf(row) ? null : keyOf(row));
  };

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const index = indexOf(event.target);
    const row = rows[index];
    // Keys in an opened row's detail are its own.
    if (row === undefined && isDetail(event.target)) return;
    const onButton = event.target instanceof HTMLButtonElement;
    const to = rowTo(event.key, index, rows.length, Math.max(1, Math.floor(scroll.height / 40)));
    if (to !== null) moveTo(to);
    else if (row === undefined) return;
    else if (event.key === " " && !onButton && props.onToggle) flush(() => props.onToggle?.(row));
    else if (event.key === "Enter" && !onButton && (props.onChoose || open)) {
      flush(() => {
        props.onChoose?.(row);
        turn(row);
      });
    } else if (event.key === "ArrowRight" && open?.can(row) && open.key !== keyOf(row)) {
      flush(() => turn(row));
    } else if (event.key === "ArrowLeft" && open?.key === keyOf(row)) {
      flush(() => turn(row));
    } else if (event.key === "Escape" && open && open.key !== null) {
      flush(() => open.onOpen(null));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      ref={grid}
      class={`lw-table ${props.class ?? ""}`}
      role="grid"
      aria-label={props.label}
      aria-rowcount={rows.length + (props.total ? 2 : 1)}
      tabIndex={-1}
      onScroll={measure}
      onKeyDown={onKeyDown}
      onPointerOver={(event) => onPreview?.(rows[indexOf(event.target)] ?? null)}
      onPointerLeave={() => onPreview?.(null)}
      onFocusIn={(event) => {
        const index = indexOf(event.target);
        if (index >= 0) setCursor(index);
        onPreview?.(rows[index] ?? null);
      }}
      onFocusOut={() => onPreview?.(null)}
      onClick={(event) => {
        const row = rows[indexOf(event.target)];
        if (row === undefined) return;
        const { target } = event;
        flush(() => {
          // What is opened is chosen, too.
          if (target instanceof Element && target.closest(".lw-table-open")) turn(row);
          props.onChoose?.(row);
        });
      }}
    >
      <div class="lw-table-row lw-table-head" role="row" aria-rowindex={1} tabIndex={-1}>
        {columns.map((column) => (
          <Head key={column.id} column={column} sort={sort} />
        ))}
      </div>
      {part.before > 0 && <div class="lw-table-space" style={{ height: `${part.before}px` }} />}
      {rows.slice(part.start, part.end).map((row, i) => {
        const index = part.start + i;
        const key = keyOf(row);
        return (
          <Fragment key={key}>
            <TableRow
              name={key}
              {...{ row, columns }}
              deps={props.deps ?? ((one) => [one])}
              attributes={props.attributes}
              index={index + 2}
              selected={choice?.can(row) ? choice.selected === key : null}
              previewed={key === previewed}
              inTabOrder={index === inTabOrder}
              open={open?.can(row) ? index === openAt : null}
              opens={open?.label}
            />
            {open && index === openAt && (
              <div
                class="lw-table-detail-row"
                role="row"
                tabIndex={-1}
                style={{ height: `${open.height}px` }}
              >
                <div
                  class="lw-table-detail"
                  role="gridcell"
                  aria-colspan={columns.length}
                  tabIndex={-1}
                >
                  {open.detail}
                </div>
              </div>
            )}
          </Fragment>
        );
      })}
      {part.after > 0 && <div class="lw-table-space" style={{ height: `${part.after}px` }} />}
      {rows.length === 0 && props.empty && <div class="lw-table-empty">{props.empty}</div>}
      {props.total && (
        <div
          class="lw-table-row lw-table-total"
          role="row"
          tabIndex={-1}
          aria-rowindex={rows.length + 2}
          {...props.total}
        >
          {columns.map(({ id, numeric, names, total }) => (
            <DataCell key={id} {...{ id, numeric, names }} cell={total ?? NOTHING} />
          ))}
        </div>
      )}
    </div>
  );
}

const NOTHING: Cell = { content: null };

function isDetail(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(".lw-table-detail-row") !== null;
}

/** Scrolls a box just far enough for one of its rows to be seen between what covers it. */
export function reveal(
  box: HTMLElement,
  row: Element,
  covered: { top: number; bottom: number },
): void {
  const { top, bottom } = row.getBoundingClientRect();
  const inside = box.getBoundingClientRect();
  const above = inside.top + covered.top - top;
  const below = bottom - (inside.bottom - covered.bottom);
  if (above > 0) box.scrollTop -= above;
  else if (below > 0) box.scrollTop += below;
}

function Head<R, Id extends string>(props: {
  column: Column<R, Id>;
  sort: DataTableProps<R, Id>["sort"];
}): JSX.Element {
  const { column, sort } = props;
  const { id, head, name, title, numeric } = column;
  const sorted = sort?.column === id ? sort : null;
  const content: ComponentChildren = sort ? (
    <button
      type="button"
      class="lw-table-sort"
      aria-label={`sort by ${name ?? head}`}
      title={sorted?.stale ? "numbers have changed: sort again" : title}
      onClick={() => flush(() => sort.onSort(id))}
    >
      {head}
      <span class="lw-table-arrow" data-stale={sort.stale}>
        {sorted === null ? "" : sorted.direction === "descending" ? "▼" : "▲"}
      </span>
    </button>
  ) : (
    head
  );
  return (
    <span
      role="columnheader"
      tabIndex={-1}
      class={numeric ? "lw-num" : undefined}
      aria-sort={sort && (sorted ? (sorted.stale ? "other" : sorted.direction) : "none")}
      data-sort-column={sort && id}
    >
      {content}
    </span>
  );
}
