import { type ComponentChildren, Fragment, type JSX, type TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useSize } from "../../draw/canvas";
import { flush } from "../../state/flush";
import { type Cell, type Column, DataCell, type Open, type RowAttributes, TableRow } from "./row";
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
  attributes?: (row: R) => RowAttributes;
  /** How deep a row stands in a tree of rows, from 1; those below a row follow it. */
  level?: (row: R) => number;
  /** A last row that stays in view, with the columns' `total`; the attributes of its element. */
  total?: RowAttributes;
  sort?: {
    column: Id;
    direction: SortDirection;
    /** Whether rows have moved away from the order since it was made. */
    stale: boolean;
    onSort: (column: Id) => void;
  };
  /** Rows that can be chosen, and the key of the chosen one. */
  choice?: { selected: string | null; can: (row: R) => boolean };
  /** The chosen row is scrolled to when this changes. Without it the person alone scrolls. */
  follow?: string;
  /** The row that another view points at. */
  previewed?: string | null;
  open?: Open<R>;
  /** What is said where there are no rows. */
  empty?: string;
  /** A click, or Enter. */
  onChoose?: (row: R) => void;
  /** The space key; without it, space chooses. */
  onToggle?: (row: R) => void;
  onPreview?: (row: R | null) => void;
}

const HEAD_HEIGHT = 28;
const TOTAL_HEIGHT = 30;

/**
 * Rows between a header and a total that stay in view; of a long table those near are rendered. One row
 * takes part in the tab order: arrows, pages, Home and End move, Enter chooses and opens, right and left
 * open and close (left also goes to the row above in a tree), space toggles, Escape closes a detail.
 */
export function DataTable<R, Id extends string>(props: DataTableProps<R, Id>): JSX.Element {
  const { columns, rows, keyOf, sort, choice, previewed = null, open, onPreview } = props;
  const grid = useRef<HTMLDivElement>(null);
  const { height } = useSize(grid);
  const [scroll, setScroll] = useState({ top: 0, height: 480 });
  const [cursor, setCursor] = useState<string | null>(null);
  const focusNext = useRef(false);
  const at = (key: string | null | undefined) =>
    key == null ? -1 : rows.findIndex((row) => keyOf(row) === key);
  const detail = open?.detail ?? null;
  const openAt = at(detail?.of);
  const opened = detail && openAt >= 0 ? { at: openAt, height: detail.height } : null;
  const part = rowWindow(rows.length, scroll.top, scroll.height, opened);
  const inTabOrder = [at(cursor), at(choice?.selected), 0].find((index) => index >= 0);
  const covered = { top: HEAD_HEIGHT, bottom: props.total ? TOTAL_HEIGHT : 0 };

  useLayoutEffect(() => {
    const box = grid.current;
    if (!focusNext.current || !box) return;
    focusNext.current = false;
    const row = elementOf(box, cursor);
    // Within the table alone: the browser's own scrolling would move the notebook, too.
    row?.focus({ preventScroll: true });
    if (row) reveal(box, row, covered);
  });
  useLayoutEffect(() => {
    const box = grid.current;
    const index = at(choice?.selected);
    if (props.follow === undefined || !box || index < 0) return;
    const row = elementOf(box, choice?.selected ?? null);
    if (row) reveal(box, row, covered);
    else bringNear(index);
  }, [props.follow, height]);

  const measure = () => {
    const box = grid.current;
    if (box) setScroll({ top: box.scrollTop, height: box.clientHeight });
  };
  /** A row that is not rendered must be brought near before it can be shown. */
  const bringNear = (index: number) => {
    const box = grid.current;
    if (!box) return;
    if (rows.length > WINDOW_FROM) {
      box.scrollTop = scrollToRow(index, box.scrollTop, box.clientHeight, covered, opened);
    }
    measure();
  };
  const moveTo = (index: number) => {
    const to = Math.max(0, Math.min(rows.length - 1, index));
    const row = rows[to];
    if (row === undefined) return;
    focusNext.current = true;
    flush(() => {
      bringNear(to);
      setCursor(keyOf(row));
    });
  };
  const indexOf = (target: EventTarget | null): number => {
    const row = target instanceof Element ? target.closest("[data-row-key]") : null;
    return at(row?.getAttribute("data-row-key"));
  };
  const turn = (row: R) => {
    const now = open?.isOpen(row) ?? null;
    if (now !== null) open?.onTurn(row, !now);
  };
  const activate = (row: R, turns: boolean) =>
    flush(() => {
      const whole = open !== undefined && !open.button && open.isOpen(row) !== null;
      if (whole || turns) turn(row);
      // What is opened by its button is chosen, too.
      if (!whole) props.onChoose?.(row);
    });
  /** The row that a row of a tree belongs to. */
  const parentOf = (index: number): number => {
    const level = (row: R | undefined) => (row === undefined ? 0 : (props.level?.(row) ?? 0));
    let up = index - 1;
    while (up >= 0 && level(rows[up]) >= level(rows[index])) up--;
    return up;
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
    else if ((event.key === "Enter" || event.key === " ") && !onButton && props.onChoose) {
      activate(row, event.key === "Enter");
    } else if (event.key === "ArrowRight" && open?.isOpen(row) === false) flush(() => turn(row));
    else if (event.key === "ArrowLeft" && open?.isOpen(row) === true) flush(() => turn(row));
    else if (event.key === "ArrowLeft" && props.level && parentOf(index) >= 0) {
      moveTo(parentOf(index));
    } else if (event.key === "Escape" && openAt >= 0) {
      flush(() => rows[openAt] !== undefined && turn(rows[openAt]));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const tree = props.level ? ({ role: "treegrid" } as const) : {};
  return (
    <div
      ref={grid}
      class={`lw-table ${props.class ?? ""}`}
      role="grid"
      {...tree}
      aria-label={props.label}
      aria-rowcount={rows.length + (props.total ? 2 : 1)}
      tabIndex={-1}
      onScroll={measure}
      onKeyDown={onKeyDown}
      onPointerOver={(event) => onPreview?.(rows[indexOf(event.target)] ?? null)}
      onPointerLeave={() => onPreview?.(null)}
      onFocusIn={(event) => {
        const index = indexOf(event.target);
        const row = rows[index];
        if (row !== undefined) setCursor(keyOf(row));
        onPreview?.(row ?? null);
      }}
      onFocusOut={() => onPreview?.(null)}
      onClick={(event) => {
        const row = rows[indexOf(event.target)];
        if (row === undefined) return;
        const { target } = event;
        activate(row, target instanceof Element && target.closest(".lw-table-open") !== null);
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
              open={open?.isOpen(row) ?? null}
              button={open?.button}
              level={props.level?.(row)}
            />
            {detail && index === openAt && (
              <div
                class="lw-table-detail-row"
                role="row"
                tabIndex={-1}
                style={{ height: `${detail.height}px` }}
              >
                <div
                  class="lw-table-detail"
                  role="gridcell"
                  aria-colspan={columns.length}
                  tabIndex={-1}
                >
                  {detail.content}
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
            <DataCell key={id} {...{ id, numeric, names }} cell={total?.() ?? NOTHING} />
          ))}
        </div>
      )}
    </div>
  );
}

function elementOf(box: HTMLElement, key: string | null): HTMLElement | null {
  return box.querySelector<HTMLElement>(`[data-row-key="${CSS.escape(key ?? "")}"]`);
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
  const { column } = props;
  const { id, head, name, title, numeric } = column;
  const sort = column.unsorted ? undefined : props.sort;
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
