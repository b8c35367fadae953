import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { heatmap, prepare, type Ramp, usePixelRatio, useSize } from "../../core/draw/canvas";
import { useTheme } from "../../core/draw/theme";
import { moveInGrid } from "../../core/parts/keyboard";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import type { HeadRef } from "../../core/state/session";
import { drawPlot, nameWidth } from "./draw";
import { type Kind, NAMES, shownName } from "./kind";
import { LongPattern } from "./later_zoom";
import {
  type Cell,
  cellAt,
  type PlotLayout,
  plotLayout,
  poolMax,
  reveal,
  wholeView,
  type Zoom,
} from "./layout";
import { type KnownWeight, type Picture, tilesOf } from "./picture";
import { isInside } from "./range";
import { inWords } from "./readout";
import { coloured } from "./scale";
import type { AttentionState, Picked } from "./state";
import type { Stripe } from "./stripe";

export interface PlotProps {
  view: ViewHandle;
  state: AttentionState;
  head: HeadRef;
  kind: Kind;
  skipBos: boolean;
  picture: Picture | null;
  tokens: readonly string[];
  ramp: Ramp;
  maxSide: number;
  /** The part that is zoomed into. */
  zoom: Zoom | null;
  /** Its cells are outlined. */
  stripe: Stripe | null;
  /** The weight of the cell under the mouse, as exact as it is known. */
  weight: KnownWeight;
  /** Writes the head's name above, where there is more than one plot. */
  named: boolean;
}

const NO_CELLS: readonly Cell[] = [];

/** One head's pattern, large: queries down, keys across, both named. */
export function PatternPlot(props: PlotProps): JSX.Element {
  const { view, state, head, kind, skipBos, picture, tokens, ramp, maxSide, stripe, named } = props;
  const { session } = view;
  const count = tokens.length;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width } = useSize(box);
  const ratio = usePixelRatio();
  const theme = useTheme();
  const font = useFont(box, theme);
  const names = useMemo(() => nameWidth(tokens, font.mono), [tokens, font.mono]);
  const layout = useMemo(
    () => plotLayout(width, maxSide, count, names),
    [width, maxSide, count, names],
  );
  const whole = useMemo(() => wholeView(count), [count]);
  const zoom = props.zoom ?? whole;
  const hover = state.hover.value;
  const { query_pos, key_pos } = session.selection.value;
  const outlined = stripe?.cells ?? NO_CELLS;
  const outlinedText = useMemo(() => outlined.map(({ q, k }) => `${q},${k}`).join(" "), [outlined]);
  const locked = useMemo(() => ({ q: query_pos, k: key_pos }), [query_pos, key_pos]);
  // Where several cells share a pixel of the screen, the strongest is drawn, or lines would vanish.
  const perPixel = zoom.span / Math.max(1, layout.side * ratio);
  const factorOf = (pool: number) => Math.max(1, Math.ceil(perPixel / pool - 0.01));
  const factor = factorOf(picture?.pool ?? 1);
  const images = useMemo(
    () =>
      tilesOf(picture).flatMap((tile) => {
        const { values, pool, q0, k0 } = tile;
        const [n = 0] = values.shape;
        const by = factorOf(pool);
        const size = Math.ceil(n / by);
        const image = heatmap(poolMax(coloured(tile, skipBos), n, by), size, size, ramp);
        return image ? [{ image, q0, k0, pool: pool * by }] : [];
      }),
    [picture, factor, factorOf(1), ramp, skipBos],
  );

  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element || width === 0) return;
    const context = prepare(element, layout.width, layout.height);
    if (!context) return;
    const marks = { hover, locked, outlined };
    drawPlot(context, images, tokens, layout, zoom, marks, theme, font.mono, font.accent);
  }, [images, tokens, layout, zoom, hover, locked, outlined, theme, font, width, ratio]);

  const dragged = useRef(false);
  const pointAt = (event: MouseEvent) => {
    const frame = canvas.current?.getBoundingClientRect();
    if (!frame) return null;
    return cellAt(event.clientX - frame.left, event.clientY - frame.top, layout, zoom, count);
  };
  const hoverAt = (next: { q: number; k: number } | null) => {
    const old = state.hover.peek();
    if (old?.q === next?.q && old?.k === next?.k) return;
    flush(() => {
      state.hover.value = next;
    });
  };
  const lock = (q: number, k: number) => {
    const again = query_pos === q && key_pos === k;
    session.select(again ? { query_pos: null, key_pos: null } : { query_pos: q, key_pos: k });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = hover ?? locked;
    const cell = { row: at.q ?? count - 1, col: at.k ?? 0 };
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      lock(cell.row, cell.col);
      return;
    }
    const to = moveInGrid(event.key, cell, count, count);
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    flush(() => {
      state.hover.value = { q: to.row, k: to.col };
      if (props.zoom) state.zoom.value = reveal(zoom, count, to.row, to.col);
    });
  };

  const { which, mode, average } = kind;
  const label = shownName(head, average);
  const at = hover ?? locked;
  const words = inWords(tokens, at, props.weight, kind);
  return (
    <div class="lw-plot" ref={box}>
      {named && <div class="lw-plot-name lw-mono">{label}</div>}
      <div
        class="lw-plot-area"
        role="grid"
        aria-label={`${NAMES[mode]} of ${label}, ${which}${stripe ? `, ${stripe.kind} stripe outlined` : ""}`}
        aria-rowcount={count}
        aria-colcount={count}
        tabIndex={0}
        data-lw-pattern={label}
        data-which={which}
        data-mode={mode}
        data-scale-end={ramp.hi}
        data-outlined={outlinedText || undefined}
        data-exact={picture !== null && (picture.exact || isInside(zoom, picture.part))}
        data-left={layout.left}
        style={{ width: `${layout.width}px`, height: `${layout.height}px` }}
        onKeyDown={onKeyDown}
        onPointerMove={(event) => hoverAt(pointAt(event))}
        onPointerLeave={() => hoverAt(null)}
        onBlur={() => hoverAt(null)}
        onClick={(event) => {
          const cell = pointAt(event);
          if (cell && !dragged.current) lock(cell.q, cell.k);
        }}
      >
        <canvas ref={canvas} />
        <LongPattern view={view} count={count}>
          {({ ZoomAndPan }) => <ZoomAndPan {...{ canvas, dragged, state, layout, zoom, count }} />}
        </LongPattern>
        {hover && <Tip {...{ hover, layout, zoom, words }} />}
        <div role="row" aria-rowindex={(at.q ?? 0) + 1} class="lw-plot-cursor" tabIndex={-1}>
          <span role="gridcell" aria-colindex={(at.k ?? 0) + 1} aria-label={words} tabIndex={-1} />
        </div>
      </div>
    </div>
  );
}

/** Of the monospace face, and of what stands around the text. */
const TIP = { character: 6.7, around: 14, height: 22 };

/** What a cell says, beside it: the eyes are there. Aloud the readout below says it. */
function Tip(props: {
  hover: Picked;
  layout: PlotLayout;
  zoom: Zoom;
  words: string;
}): JSX.Element | null {
  const { hover, layout, zoom, words } = props;
  if (hover.q === null || hover.k === null) return null;
  const pixels = layout.side / zoom.span;
  const width = Math.min(layout.width, [...words].length * TIP.character + TIP.around);
  const x = layout.left + (hover.k + 1 - zoom.k0) * pixels + 4;
  const above = (hover.q - zoom.q0) * pixels - TIP.height - 4;
  // Inside the picture, and never over the cell that it speaks of.
  const left = Math.max(0, Math.min(x, layout.width - width));
  const top = above >= 0 ? above : (hover.q + 1 - zoom.q0) * pixels + 6;
  return (
    <span
      class="lw-plot-tip lw-num"
      aria-hidden="true"
      style={{ left: `${left}px`, top: `${top}px`, maxWidth: `${layout.width}px` }}
    >
      {words}
    </span>
  );
}

/** The host's monospace font and the accent colour, which the canvas must be told. */
function useFont(
  box: { current: HTMLElement | null },
  theme: unknown,
): { mono: string; accent: string } {
  const known = useRef({ mono: "monospace", accent: "#1f6feb" });
  // Read after the first commit, when the element exists; `theme` changes with the variables.
  return useMemo(() => {
    const root = box.current;
    if (!root) return known.current;
    const style = getComputedStyle(root);
    const mono = style.getPropertyValue("--lw-mono").trim() || "monospace";
    const accent = style.getPropertyValue("--lw-accent").trim() || "#1f6feb";
    known.current = { mono, accent };
    return known.current;
  }, [theme, box.current]);
}
