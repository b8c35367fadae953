import type { JSX, RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { heatmap, isBeyond, prepare, shadeOf, usePixelRatio, useSize } from "../../draw/canvas";
import { useLook, useTheme } from "../../draw/theme";
import { flush } from "../../state/flush";
import { moveInGrid } from "../keyboard";
import { CellLayer } from "./cells";
import { drawMap } from "./draw";
import {
  BAR,
  cellUnder,
  DENSE_CELLS,
  type MapInput,
  type MapLayout,
  mapLayout,
  type Scroll,
  scrollTo,
} from "./layout";
import { usePointer } from "./pointer";
import { afterClick, sameCell } from "./select";
import type { HeatMapProps, MapCell } from "./types";
import { stateOf, useCells, useCellText, widest } from "./values";
import { veilOf } from "./veil";

export type { CellInfo, CellState, HeatMapProps, MapCell } from "./types";

const NONE: readonly MapCell[] = [];
const MAX_HEIGHT = 460;

/**
 * A grid of numbers as colours: attention of heads, effects of layers by positions, weights.
 *
 * The picture is one canvas; over it lie transparent `gridcell` elements (all of them up to 2,000
 * cells, beyond that those under mouse and focus) with readable names and the caller's attributes.
 * Row and column names stay in sight when a large map scrolls. Put the colour bar beside it with
 * `MapLegend`; maps side by side go into a `<div class="lw-maps">` and share one `useRamp`.
 */
export function HeatMap(props: HeatMapProps): JSX.Element {
  const { rows, cols, values, ramp, selected = NONE, readout = true } = props;
  const box = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width } = useSize(box);
  const look = useLook(box);
  const theme = useTheme();
  const ratio = usePixelRatio();
  const dense = rows.length * cols.length <= DENSE_CELLS;
  const names = useMemo(
    () => [widest(rows, look.mono), widest(cols, look.mono)] as const,
    [rows, cols, look.mono],
  );
  const layout = useLayout(props, width, names);
  useRevealed(scroller, selected.at(-1) ?? props.marked?.at(-1) ?? null, layout);
  const [hovered, setHovered] = useState<MapCell | null>(null);
  const [held, setHeld] = useState<MapCell | null>(null);
  const cursor = useMemo(
    () => inside(held ?? selected[0] ?? { row: 0, col: 0 }, rows.length, cols.length),
    [held, selected[0]?.row, selected[0]?.col, rows.length, cols.length],
  );
  const hover = hovered && inside(hovered, rows.length, cols.length);
  const lookAt = useCells(props);

  const scrolled = (): Scroll => ({
    x: scroller.current?.scrollLeft ?? 0,
    y: scroller.current?.scrollTop ?? 0,
  });
  const cellAt = (event: MouseEvent): MapCell | null => {
    const frame = scroller.current?.getBoundingClientRect();
    // A click by key or by a screen reader has no place; its target has one.
    if (!frame || (event.type === "click" && event.detail === 0)) return cellOf(event.target);
    return cellUnder(event.clientX - frame.left, event.clientY - frame.top, layout, scrolled());
  };
  const hoverAt = (cell: MapCell | null) => {
    if (sameCell(hovered, cell) || hovered === cell) return;
    flush(() => {
      setHovered(cell);
      props.onHover?.(cell);
    });
  };
  const pointer = usePointer(props, cellAt, hoverAt, setHeld);

  const shades = props.colors ?? values;
  const { textAt } = props;
  const image = useMemo(
    () => shades && heatmap(shades, rows.length, cols.length, ramp),
    [shades, rows.length, cols.length, ramp],
  );
  const { ablated, estimated, missing, previewed, marked, outlined, groups } = props;
  const veil = useMemo(
    () =>
      dense ? null : veilOf(rows.length, cols.length, (index) => stateOf(props, index), theme),
    [dense, values, missing, estimated, rows.length, cols.length, theme],
  );
  const written = useCellText(props, layout.cellWidth - layout.gap, layout.cellHeight, look.text);
  const { brush } = pointer;
  const draw = () => {
    const element = canvas.current;
    if (!element || width === 0) return;
    const context = prepare(element, layout.viewWidth, layout.viewHeight);
    if (!context) return;
    const picture = {
      image,
      scale: ramp.scale,
      shade: (index: number) => shadeOf(shades?.[index] ?? Number.NaN, ramp),
      beyond: (index: number) => isBeyond(shades?.[index] ?? Number.NaN, ramp),
      state: (index: number) => stateOf(props, index),
      text: textAt ?? written,
      cut: textAt !== undefined,
      veil,
      ablated: props.ablated ?? null,
      rows,
      cols,
      axes: props.axes ?? null,
      groups: groups ?? null,
    };
    const marks = {
      selected: marked ? [...selected, ...marked] : selected,
      outlined: outlined ?? NONE,
      hover,
      previewed: previewed ?? null,
      brush,
    };
    drawMap({ context, picture, layout, scroll: scrolled(), marks, theme, look });
  };
  useLayoutEffect(draw, [
    image,
    veil,
    marked,
    outlined,
    groups,
    layout,
    written,
    textAt,
    rows,
    cols,
    theme,
    look,
    ratio,
    width,
    selected,
    hover,
    previewed,
    brush,
    ablated,
    estimated,
    missing,
  ]);

  const focusOn = (cell: MapCell) => {
    const element = scroller.current;
    if (!element) return;
    const { x, y } = scrollTo(cell, layout, scrolled());
    element.scrollTo(x, y);
    flush(() => setHeld(cell));
    const target = element.querySelector(`[data-row="${cell.row}"][data-col="${cell.col}"]`);
    if (target instanceof HTMLElement) target.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const cell = cellOf(event.target);
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const select = () => props.onSelect?.(afterClick(selected, cell, event.shiftKey), cell);
    const to = moveInGrid(event.key, cell, rows.length, cols.length);
    if (to) focusOn(to);
    else if (event.key === "Enter" && props.onOpen) flush(() => props.onOpen?.(cell));
    else if (event.key === " " && props.onToggle) flush(() => props.onToggle?.(cell));
    else if (event.key === "Enter" || event.key === " ") flush(select);
    else if (event.key === "Escape" && (selected.length > 0 || brush)) {
      flush(() => {
        pointer.cancelBrush();
        props.onSelect?.(NONE, null);
      });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const shown = hover ?? selected.at(-1) ?? marked?.at(-1) ?? null;
  return (
    <div ref={box} class="lw-map" data-stale={props.stale ?? false}>
      {props.title && <div class="lw-map-title">{props.title}</div>}
      <div
        ref={scroller}
        class="lw-map-scroll"
        role="grid"
        aria-label={props.label}
        aria-rowcount={rows.length}
        aria-colcount={cols.length}
        aria-multiselectable={props.onSelect !== undefined}
        tabIndex={-1}
        style={{
          width: `${layout.viewWidth + (layout.height > layout.viewHeight ? BAR : 0)}px`,
          height: `${layout.viewHeight + (layout.width > layout.viewWidth ? BAR : 0)}px`,
        }}
        onScroll={draw}
        onKeyDown={onKeyDown}
        onPointerDown={pointer.onPointerDown}
        onPointerMove={pointer.onPointerMove}
        onPointerUp={pointer.onPointerUp}
        onPointerCancel={pointer.onPointerCancel}
        onPointerLeave={() => hoverAt(null)}
        onClick={pointer.onClick}
        onDblClick={pointer.onDblClick}
        onFocusIn={(event) => {
          const cell = cellOf(event.target);
          if (!cell) return;
          if (!sameCell(cell, held)) setHeld(cell);
          hoverAt(cell);
        }}
        onFocusOut={(event) => {
          const to = event.relatedTarget;
          if (!(to instanceof Node && event.currentTarget.contains(to))) hoverAt(null);
        }}
      >
        <div
          class="lw-map-whole"
          role="presentation"
          style={{ width: `${layout.width}px`, height: `${layout.height}px` }}
        >
          <canvas ref={canvas} class="lw-map-canvas" />
          <CellLayer
            layout={layout}
            dense={dense}
            look={lookAt}
            selected={selected}
            cursor={cursor}
            hover={hover}
          />
        </div>
      </div>
      {readout && (
        <div class="lw-map-readout lw-num">{shown ? lookAt(shown.row, shown.col).line : " "}</div>
      )}
    </div>
  );
}

/** Scrolls a cell into sight when it becomes the chosen one: it may have been chosen elsewhere. */
function useRevealed(
  scroller: RefObject<HTMLElement | null>,
  cell: MapCell | null,
  layout: MapLayout,
): void {
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || !cell) return;
    const now = { x: element.scrollLeft, y: element.scrollTop };
    const to = scrollTo(cell, layout, now);
    if (to.x !== now.x || to.y !== now.y) element.scrollTo(to.x, to.y);
  }, [scroller, cell?.row, cell?.col, layout]);
}

function useLayout(props: HeatMapProps, width: number, names: readonly [number, number]) {
  const { rows, cols, maxHeight = MAX_HEIGHT, square = false, axes, rowHeight } = props;
  const [rowNames, colNames] = names;
  const titled = axes !== undefined;
  const worded = props.textAt !== undefined;
  const grouped = props.groups !== undefined;
  return useMemo(() => {
    const sizes = { rows: rows.length, cols: cols.length, width, maxHeight };
    const named = { rowNames, colNames, titled, grouped };
    const input: MapInput = { ...sizes, ...named, square, worded, rowHeight };
    return mapLayout(input);
  }, [
    ...[rows.length, cols.length, width, maxHeight, rowNames, colNames],
    ...[titled, grouped, square, worded, rowHeight],
  ]);
}

function inside(cell: MapCell, rows: number, cols: number): MapCell {
  const row = Math.max(0, Math.min(rows - 1, cell.row));
  const col = Math.max(0, Math.min(cols - 1, cell.col));
  return row === cell.row && col === cell.col ? cell : { row, col };
}

function cellOf(target: EventTarget | null): MapCell | null {
  const cell = target instanceof Element ? target.closest("[data-row][data-col]") : null;
  if (!cell) return null;
  return { row: Number(cell.getAttribute("data-row")), col: Number(cell.getAttribute("data-col")) };
}
