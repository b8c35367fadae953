import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { prepare, usePixelRatio, useSize } from "../../core/draw/canvas";
import { headLabel, parseHead, quote } from "../../core/draw/format";
import { moveInGrid } from "../../core/parts/keyboard";
import { useStill } from "../../core/parts/still";
import { at, type NumArray } from "../../core/state/arrays";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { isHeadAblated } from "../../core/state/interventions";
import type { HeadRef } from "../../core/state/session";
import { drawThumbnails, thumbnailSheet } from "./draw";
import { type Kind, valueText } from "./kind";
import { type GridLayout, gridLayout } from "./layout";
import type { Scales } from "./scale";
import { type AttentionState, same } from "./state";

export interface HeadGridProps {
  view: ViewHandle;
  state: AttentionState;
  /** [layer, head, query, key] */
  patterns: NumArray | null;
  pool: number;
  kind: Kind;
  skipBos: boolean;
  scales: Scales;
  tokens: readonly string[];
  compact: boolean;
}

const MAX_HEIGHT = 560;
const MAX_HEIGHT_COMPACT = 396;

/** Every head as a thumbnail: layers down, heads across. The pictures are one canvas, the cells lie on top. */
export function HeadGrid(props: HeadGridProps): JSX.Element {
  const { view, state, patterns, pool, kind, skipBos, scales, tokens, compact } = props;
  const { session } = view;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const box = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  const { width } = useSize(box);
  const layout = useMemo(
    () => gridLayout(layers, heads, width, compact ? MAX_HEIGHT_COMPACT : MAX_HEIGHT),
    [layers, heads, width, compact],
  );

  const selection = session.selection.value;
  const selected: HeadRef = { layer: selection.layer, head: selection.head };
  const focus = state.focus.value ?? selected;
  const { query_pos: q, key_pos: k } = selection;
  const values = pool === 1 && q !== null && k !== null ? patterns : null;
  const pair =
    q === null || k === null ? "" : `${quote(tokens[q] ?? "")} → ${quote(tokens[k] ?? "")}`;
  const rows = Array.from({ length: layers }, (_, layer) => (
    <HeadRow
      key={layer}
      layer={layer}
      heads={heads}
      showName={layer % layout.everyLayer === 0}
      selected={selected.layer === layer ? selected.head : -1}
      locked={state.locked.value}
      focus={focus.layer === layer ? focus.head : -1}
      preview={session.preview.value?.layer === layer ? session.preview.value.head : -1}
      compare={state.compare.value?.layer === layer ? state.compare.value.head : -1}
      ablated={ablatedHeads(session.changes.ablated.value, layer, heads)}
      values={values}
      kind={kind}
      q={q}
      k={k}
      pair={pair}
    />
  ));

  const headAt = (target: EventTarget | null): HeadRef | null => {
    const cell = target instanceof Element ? target.closest("[data-head]") : null;
    return parseHead(cell?.getAttribute("data-head") ?? "");
  };
  const previewAt = (head: HeadRef | null) => {
    if (same(session.preview.peek(), head)) return;
    flush(() => {
      session.preview.value = head;
    });
  };
  const onClick = (event: MouseEvent) => {
    const head = headAt(event.target);
    if (!head) return;
    flush(() => {
      state.focus.value = head;
      state.click(session, head, event.shiftKey);
    });
  };
  const onDblClick = (event: MouseEvent) => {
    const head = headAt(event.target);
    if (!head || event.shiftKey) return;
    flush(() => {
      session.select(head);
      state.locked.value = true;
      state.solo.value = true;
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = headAt(event.target);
    if (!from) return;
    if (event.key === " ") {
      event.preventDefault();
      const component = headLabel(from.layer, from.head);
      session.toggleAblation(view, component);
      return;
    }
    const to = moveInGrid(event.key, { row: from.layer, col: from.head }, layers, heads);
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    const head = { layer: to.row, head: to.col };
    flush(() => {
      state.focus.value = head;
      session.preview.value = head;
    });
    const cell = grid.current?.querySelector(`[data-head="${headLabel(to.row, to.col)}"]`);
    if (cell instanceof HTMLElement) cell.focus();
  };

  return (
    <div class="lw-heads" data-compact={compact} ref={box}>
      <div
        ref={grid}
        class="lw-heads-grid"
        role="grid"
        aria-label="attention heads"
        aria-rowcount={layers}
        aria-colcount={heads}
        tabIndex={-1}
        style={{
          gridTemplateColumns: `${layout.labelWidth}px repeat(${heads}, ${layout.cell}px)`,
          gridTemplateRows: `repeat(${layers}, ${layout.cell}px) 16px`,
          gap: `${layout.gap}px ${layout.gap}px`,
          width: `${layout.width}px`,
        }}
        onClick={onClick}
        onDblClick={onDblClick}
        onKeyDown={onKeyDown}
        onPointerOver={(event) => previewAt(headAt(event.target))}
        onPointerLeave={() => previewAt(null)}
        onFocusOut={(event) => {
          const to = event.relatedTarget;
          if (!(to instanceof Node && event.currentTarget.contains(to))) previewAt(null);
        }}
      >
        <Pictures {...{ layout, layers, heads, patterns, skipBos, scales }} />
        {rows}
        <HeadNames heads={heads} every={layout.everyHead} />
      </div>
    </div>
  );
}

function Pictures(props: {
  layout: GridLayout;
  layers: number;
  heads: number;
  patterns: NumArray | null;
  skipBos: boolean;
  scales: Scales;
}): JSX.Element {
  const { layout, layers, heads, patterns, skipBos, scales } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const ratio = usePixelRatio();
  const sheet = useMemo(
    () => patterns && thumbnailSheet(patterns, skipBos, scales.head, (layout.cell - 2) * ratio),
    [patterns, skipBos, scales, layout.cell, ratio],
  );
  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const context = prepare(
      element,
      heads * layout.pitch - layout.gap,
      layers * layout.pitch - layout.gap,
    );
    if (context && sheet) drawThumbnails(context, sheet, layout, layers, heads);
  }, [sheet, layout, layers, heads]);
  return (
    <canvas
      ref={canvas}
      class="lw-heads-canvas"
      style={{ left: `${layout.labelWidth + layout.gap}px` }}
    />
  );
}

interface HeadRowProps {
  layer: number;
  heads: number;
  showName: boolean;
  selected: number;
  locked: boolean;
  focus: number;
  preview: number;
  compare: number;
  /** Heads that are off, as "0,3". */
  ablated: string;
  values: NumArray | null;
  kind: Kind;
  q: number | null;
  k: number | null;
  pair: string;
}

/** One layer. The same props give the same element, which Preact then skips: a click touches two rows of 32. */
function HeadRow(props: HeadRowProps): JSX.Element {
  const { layer, heads, showName, selected, locked, focus, preview, compare } = props;
  const { ablated, values, kind, q, k, pair } = props;
  return useStill(() => {
    const off = new Set(ablated.split(","));
    const cells = Array.from({ length: heads }, (_, head) => {
      const label = headLabel(layer, head);
      const value = values && q !== null && k !== null ? at(values, layer, head, q, k) : null;
      const state = [
        head === selected && (locked ? "selected, locked" : "selected"),
        head === compare && "compared",
        off.has(String(head)) && "ablated",
      ].filter(Boolean);
      return (
        <button
          key={head}
          type="button"
          role="gridcell"
          class="lw-head-cell"
          aria-label={[label, ...state].join(", ")}
          aria-selected={head === selected}
          tabIndex={head === focus ? 0 : -1}
          title={value === null ? label : `${label}  ${pair}  ${valueText(value, kind)}`}
          data-head={label}
          data-value={value === null ? undefined : String(value)}
          data-ablated={off.has(String(head)) || undefined}
          data-preview={head === preview || undefined}
          data-compared={head === compare || undefined}
        />
      );
    });
    return (
      <div role="row" class="lw-heads-row" tabIndex={-1}>
        <span role="rowheader" class="lw-heads-layer lw-muted lw-num" tabIndex={-1}>
          {showName ? `L${layer}` : ""}
        </span>
        {cells}
      </div>
    );
  }, [
    layer,
    heads,
    showName,
    selected,
    locked,
    focus,
    preview,
    compare,
    ablated,
    values,
    kind,
    q,
    k,
    pair,
  ]);
}

function HeadNames({ heads, every }: { heads: number; every: number }): JSX.Element {
  return useStill(
    () => (
      <div class="lw-heads-row lw-heads-names" aria-hidden="true">
        <span class="lw-heads-corner" />
        {Array.from({ length: Math.ceil(heads / every) }, (_, i) => i * every).map((head) => (
          <span
            key={head}
            class="lw-muted lw-num"
            style={{ gridColumn: `${head + 2} / span ${Math.min(every, heads - head)}` }}
            data-thinned={every > 1}
          >
            {`H${head}`}
          </span>
        ))}
      </div>
    ),
    [heads, every],
  );
}

function ablatedHeads(ablated: ReadonlySet<string>, layer: number, heads: number): string {
  if (ablated.size === 0) return "";
  const off: number[] = [];
  for (let head = 0; head < heads; head++) if (isHeadAblated(ablated, layer, head)) off.push(head);
  return off.join(",");
}
