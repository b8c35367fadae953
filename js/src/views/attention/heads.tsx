import type { JSX } from "preact";
import { useCallback, useContext, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { prepare, usePixelRatio, useSize } from "../../core/draw/canvas";
import { headLabel, quote } from "../../core/draw/format";
import { Columns } from "../../core/parts/columns";
import { HeadGrid } from "../../core/parts/heads/grid";
import { Roles, roleMark, rolesOf, roleWords } from "../../core/parts/heads/roles";
import { at, type NumArray } from "../../core/state/arrays";
import type { ViewHandle } from "../../core/state/handle";
import { drawThumbnails, thumbnailSheet } from "./draw";
import { type Kind, valueText } from "./kind";
import { LayerHeads } from "./layer_heads";
import { BLOCK_SPACE, type GridLayout, gridLayout } from "./layout";
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

/** Where the page scrolls, not the column. */
const TALLEST = 660;

/**
 * Every head as a thumbnail: layers down, heads across. The pictures are one canvas, the cells lie on top.
 * Where a column has no room for all of them it shows those of the selected layer.
 */
export function Thumbnails(props: ThumbnailsProps): JSX.Element {
  const { view, state, patterns, pool, kind, skipBos, scales, tokens, compact } = props;
  const { session } = view;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const box = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(box);
  const columns = useContext(Columns);
  const room = columns ? columns.thumbnails : TALLEST;
  const layout = useMemo(
    () => gridLayout(layers, heads, width, room),
    [layers, heads, width, room],
  );

  const { layer, head, query_pos: q, key_pos: k } = session.selection.value;
  const values = pool === 1 && q !== null && k !== null ? patterns : null;
  const pair =
    q === null || k === null ? "" : `${quote(tokens[q] ?? "")} → ${quote(tokens[k] ?? "")}`;
  const roles = useContext(Roles).value;
  const look = useCallback(
    (row: number, column: number) => {
      const own = rolesOf(roles, row, column);
      const label = headLabel(row, column);
      const named = { title: `${label}${roleWords(own)}`, mark: roleMark(own) };
      if (!values || q === null || k === null) return named;
      const value = at(values, row, column, q, k);
      return { ...named, title: `${label}  ${pair}  ${valueText(value, kind)}`, value };
    },
    [values, kind, q, k, pair, roles],
  );
  const size = {
    label: layout.labelWidth,
    width: layout.cell,
    height: layout.cell,
    gap: layout.gap,
    rows: layout.rows,
    space: BLOCK_SPACE,
  };
  useLayoutEffect(() => {
    const cell = box.current?.querySelector("[data-selected]");
    if (box.current && cell) bringIntoView(box.current, cell);
  }, [layer, head, layout]);
  const whole = columns?.heads !== "layer";
  return (
    <div class="lw-heads" data-compact={compact} data-whole={whole} ref={box}>
      {!whole && (
        <LayerHeads {...{ view, state, patterns, skipBos, scales, width }} room={height} />
      )}
      {whole && (
        <HeadGrid
          label="attention heads"
          cells="choice"
          {...{ layers, heads, size, look }}
          ablated={session.changes.ablated.value}
          selected={{ layer, head }}
          selectedNote={state.locked.value ? ", kept" : ""}
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
      )}
    </div>
  );
}

/** Scrolls a box, and nothing around it, until one of its cells is seen. */
function bringIntoView(box: HTMLElement, cell: Element): void {
  const inside = box.getBoundingClientRect();
  const { left, top, right, bottom } = cell.getBoundingClientRect();
  const shift = (start: number, end: number, from: number, to: number) =>
    start < from ? start - from : end > to ? end - to : 0;
  box.scrollLeft += shift(left, right, inside.left, inside.right);
  box.scrollTop += shift(top, bottom, inside.top, inside.bottom);
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
    const context = prepare(element, layout.width, layout.height);
    if (context && sheet) drawThumbnails(context, sheet, layout, layers, heads);
  }, [sheet, layout, layers, heads]);
  return <canvas ref={canvas} class="lw-heads-canvas" />;
}
