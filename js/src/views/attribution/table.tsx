import { type ComponentChildren, Fragment, type JSX, type TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { parseHead } from "../../core/draw/format";
import { flush } from "../../core/state/flush";
import type { HeadRef } from "../../core/state/session";
import type { AttributionRow } from "../../generated/protocol";
import { barScale, digitsFor, rowWindow, scrollToRow } from "./layout";
import { Change, Row, Value } from "./row";
import { rowChange, type Sort, type SortColumn } from "./rows";

const HEADERS: readonly { column: SortColumn; text: string; name: string; title: string }[] = [
  { column: "switch", text: "", name: "ablated", title: "sort by what is ablated" },
  { column: "part", text: "part", name: "part", title: "sort by the place in the model" },
  { column: "baseline", text: "baseline", name: "baseline", title: "sort by size" },
  { column: "bar", text: "", name: "signed effect", title: "sort by the signed effect" },
  { column: "current", text: "current", name: "current", title: "sort by size" },
  { column: "change", text: "Δ", name: "change", title: "sort by the size of the change" },
];
const HEADER_HEIGHT = 28;
const TOTAL_HEIGHT = 30;

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
  detail: ComponentChildren;
  detailHeight: number;
  onOpen: (component: string | null) => void;
  onSort: (column: SortColumn) => void;
  onToggle: (component: string) => void;
  onPreview: (head: HeadRef | null) => void;
  onSelect: (head: HeadRef) => void;
}

/** The rows between a header and a total that stay in view. Large tables render what is near. */
export function Table(props: TableProps): JSX.Element {
  const { rows, all, total, sort, stale, ablated, selected, previewed, open, opens } = props;
  const grid = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 480 });
  const [cursor, setCursor] = useState(0);
  const focusNext = useRef(false);
  const openAt = open === null ? -1 : rows.findIndex((row) => row.component === open);
  const opened = openAt < 0 ? null : { at: openAt, height: props.detailHeight };
  const part = rowWindow(rows.length, scroll.top, scroll.height, opened);
  const scale = useMemo(() => barScale(all), [all]);
  const digits = digitsFor(scale.lo, scale.hi);
  const inTabOrder = Math.min(cursor, rows.length - 1);

  useLayoutEffect(() => {
    if (!focusNext.current) return;
    focusNext.current = false;
    const name = rows[cursor]?.component;
    const row = grid.current?.querySelector(`[data-component="${CSS.escape(name ?? "")}"]`);
    if (row instanceof HTMLElement) row.focus({ preventScroll: true });
  });

  const measure = () => {
    const element = grid.current;
    if (element) setScroll({ top: element.scrollTop, height: element.clientHeight });
  };
  const moveTo = (index: number) => {
    const element = grid.current;
    const to = Math.max(0, Math.min(rows.length - 1, index));
    if (!element || rows.length === 0) return;
    const covered = { top: HEADER_HEIGHT, bottom: TOTAL_HEIGHT };
    element.scrollTop = scrollToRow(to, element.scrollTop, element.clientHeight, covered, opened);
    focusNext.current = true;
    flush(() => {
      measure();
      setCursor(to);
    });
  };

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const component = rowOf(event.target);
    // Keys in an opened row's detail are its own.
    if (component === null && isDetail(event.target)) return;
    const onButton = event.target instanceof HTMLButtonElement;
    const page = Math.max(1, Math.floor(scroll.height / 40));
    const index = component === null ? -1 : rows.findIndex((row) => row.component === component);
    const to = targetOf(event.key, index, rows.length, page);
    if (to !== null) moveTo(to);
    else if (event.key === " " && !onButton && rows[index]?.ablatable) {
      props.onToggle(rows[index].component);
    } else if (event.key === "Enter" && !onButton && component !== null) {
      const head = parseHead(component);
      flush(() => {
        if (head) props.onSelect(head);
        if (rows[index] && opens(rows[index])) props.onOpen(open === component ? null : component);
      });
    } else if (event.key === "ArrowRight" && rows[index] && opens(rows[index])) {
      flush(() => props.onOpen(component));
    } else if (event.key === "ArrowLeft" && open !== null && open === component) {
      flush(() => props.onOpen(null));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const preview = (target: EventTarget | null) => {
    const component = rowOf(target);
    props.onPreview(component === null ? null : parseHead(component));
  };

  return (
    <div
      ref={grid}
      class="lw-attr-grid"
      role="grid"
      aria-label={props.label}
      aria-rowcount={rows.length + 2}
      tabIndex={-1}
      onScroll={measure}
      onKeyDown={onKeyDown}
      onPointerOver={(event) => preview(event.target)}
      onPointerLeave={() => props.onPreview(null)}
      onFocusIn={(event) => {
        const component = rowOf(event.target);
        const index = rows.findIndex((row) => row.component === component);
        if (index >= 0) setCursor(index);
        preview(event.target);
      }}
      onFocusOut={() => props.onPreview(null)}
      onClick={(event) => {
        const component = rowOf(event.target);
        const head = component === null ? null : parseHead(component);
        if (head) flush(() => props.onSelect(head));
      }}
    >
      <div class="lw-attr-row lw-attr-header" role="row" aria-rowindex={1} tabIndex={-1}>
        {HEADERS.map((header) => (
          <Header
            key={header.column}
            {...header}
            direction={sort.column === header.column ? sort.direction : null}
            stale={stale}
            onSort={props.onSort}
          />
        ))}
      </div>
      {part.before > 0 && <div style={{ height: `${part.before}px` }} />}
      {rows.slice(part.start, part.end).map((row, i) => (
        <Fragment key={row.component}>
          <Row
            row={row}
            index={part.start + i + 2}
            scale={scale}
            digits={digits}
            ablated={ablated.has(row.component)}
            selected={row.component === selected}
            previewed={row.component === previewed}
            inTabOrder={part.start + i === inTabOrder}
            open={opens(row) ? part.start + i === openAt : null}
            onToggle={props.onToggle}
            onOpen={(component) => props.onOpen(open === component ? null : component)}
          />
          {part.start + i === openAt && (
            <div
              class="lw-attr-detail-row"
              role="row"
              tabIndex={-1}
              style={{ height: `${props.detailHeight}px` }}
            >
              <div class="lw-attr-detail" role="gridcell" aria-colspan={6} tabIndex={-1}>
                {props.detail}
              </div>
            </div>
          )}
        </Fragment>
      ))}
      {part.after > 0 && <div style={{ height: `${part.after}px` }} />}
      {rows.length === 0 && <div class="lw-attr-empty">No part matches the filter.</div>}
      <Total
        row={total}
        count={all.length}
        shown={rows.length}
        index={rows.length + 2}
        digits={digits}
      />
    </div>
  );
}

function isDetail(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(".lw-attr-detail-row") !== null;
}

function rowOf(target: EventTarget | null): string | null {
  const row = target instanceof Element ? target.closest("[data-component]") : null;
  return row?.getAttribute("data-component") ?? null;
}

/** The row a key moves to; null for other keys. From outside the rows the arrows enter at the top. */
export function targetOf(key: string, index: number, count: number, page: number): number | null {
  switch (key) {
    case "ArrowDown":
      return index + 1;
    case "ArrowUp":
      return index - 1;
    case "PageDown":
      return index + page;
    case "PageUp":
      return index - page;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}

function Header(props: {
  column: SortColumn;
  text: string;
  name: string;
  title: string;
  direction: Sort["direction"] | null;
  stale: boolean;
  onSort: (column: SortColumn) => void;
}): JSX.Element {
  const { column, text, name, title, direction, stale, onSort } = props;
  const numeric = column === "baseline" || column === "current" || column === "change";
  return (
    <span
      role="columnheader"
      tabIndex={-1}
      class={numeric ? "lw-num" : undefined}
      aria-sort={direction === null ? "none" : stale ? "other" : direction}
      data-sort-column={column}
    >
      <button
        type="button"
        class="lw-attr-sort"
        aria-label={`sort by ${name}`}
        title={direction && stale ? "numbers have changed: sort again" : title}
        onClick={() => flush(() => onSort(column))}
      >
        {text}
        <span class="lw-attr-arrow" data-stale={stale}>
          {direction === null ? "" : direction === "descending" ? "▼" : "▲"}
        </span>
      </button>
    </span>
  );
}

function Total(props: {
  row: AttributionRow;
  count: number;
  shown: number;
  index: number;
  digits: number;
}): JSX.Element {
  const { row, count, shown, index, digits } = props;
  return (
    <div
      class="lw-attr-row lw-attr-total"
      role="row"
      tabIndex={-1}
      aria-rowindex={index}
      data-component="total"
      title={`sum of all ${count} parts`}
    >
      <span role="gridcell" tabIndex={-1} />
      <span role="rowheader" tabIndex={-1} data-column="part" class="lw-num">
        all {count}
      </span>
      <Value column="baseline" value={row.baseline} sem={row.baseline_sem} digits={digits} />
      <span role="gridcell" tabIndex={-1} class="lw-attr-shown lw-num" aria-live="polite">
        {shown === count ? "" : `${shown} shown`}
      </span>
      <Value column="current" value={row.current} sem={row.current_sem} digits={digits} />
      <Change value={rowChange(row)} sem={row.change_sem} digits={digits} />
    </div>
  );
}
