import type { JSX } from "preact";
import { useCallback, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { prepare, usePixelRatio, useSize } from "../../core/draw/canvas";
import { headLabel, quote } from "../../core/draw/format";
import { HeadGrid } from "../../core/parts/heads/grid";
import { at, type NumArray } from "../../core/state/arrays";
import type { ViewHandle } from "../../core/state/handle";
import { drawThumbnails, thumbnailSheet } from "./draw";
import { type Kind, valueText } from "./kind";
import { type GridLayout, gridLayout } from "./layout";
import type { Scales } from "./scale";
import type { AttentionState } from "./state";

export interface ThumbnailsProps {
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
export function Thumbnails(props: ThumbnailsProps): JSX.Element {
  const { view, state, patterns, pool, kind, skipBos, scales, tokens, compact } = props;
  const { session } = view;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const box = useRef<HTMLDivElement>(null);
  const { width } = useSize(box);
  const layout = useMemo(
    () => gridLayout(layers, heads, width, compact ? MAX_HEIGHT_COMPACT : MAX_HEIGHT),
    [layers, heads, width, compact],
  );

  const { layer, head, query_pos: q, key_pos: k } = session.selection.value;
  const values = pool === 1 && q !== null && k !== null ? patterns : null;
  const pair =
    q === null || k === null ? "" : `${quote(tokens[q] ?? "")} → ${quote(tokens[k] ?? "")}`;
  const look = useCallback(
    (row: number, column: number) => {
      const label = headLabel(row, column);
      if (!values || q === null || k === null) return { title: label };
      const value = at(values, row, column, q, k);
      return { title: `${label}  ${pair}  ${valueText(value, kind)}`, value };
    },
    [values, kind, q, k, pair],
  );
  const size = {
    label: layout.labelWidth,
    width: layout.cell,
    height: layout.cell,
    gap: layout.gap,
  };
  return (
    <div class="lw-heads" data-compact={compact} ref={box}>
      <HeadGrid
        label="attention heads"
        cells="choice"
        {...{ layers, heads, size, look }}
        ablated={session.changes.ablated.value}
        selected={{ layer, head }}
        selectedNote={state.locked.value ? ", locked" : ""}
        previewed={session.preview.value}
        compared={state.compare.value}
        onChoose={(place, shift) => {
          state.click(session, { layer: place.layer, head: place.column }, shift);
        }}
        onOpen={(opened) => {
          session.select(opened);
          state.locked.value = true;
          state.solo.value = true;
        }}
        onToggle={(component) => session.toggleAblation(view, component)}
        onPreview={(previewed) => {
          session.preview.value = previewed;
        }}
      >
        <Pictures {...{ layout, layers, heads, patterns, skipBos, scales }} />
      </HeadGrid>
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
