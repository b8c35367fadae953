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
import { type Cell, cellAt, plotLayout, poolMax, reveal, wholeView } from "./layout";
import { type Picture, weightAt } from "./picture";
import { inWords } from "./readout";
import { coloured } from "./scale";
import type { AttentionState } from "./state";
import type { Stripe } from "./stripe";
import { useZoomAndPan } from "./zoom";

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
  /** Its cells are outlined. */
  stripe: Stripe | null;
  /** Writes the head's name above, where there is more than one plot. */
  named: boolean;
}

const NO_CELLS: readonly Cell[] = [];
const NO_PICK = { q: null, k: null };

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
  const held = state.zoom.value;
  const zoom = held && held.span <= count ? held : wholeView(count);
  const hover = state.hover.value;
  const { query_pos, key_pos } = session.selection.value;
  const outlined = stripe?.cells ?? NO_CELLS;
  const outlinedText = useMemo(() => outlined.map(({ q, k }) => `${q},${k}`).join(" "), [outlined]);
  const locked = useMemo(() => ({ q: query_pos, k: key_pos }), [query_pos, key_pos]);
  const { scale, hi } = ramp;
  // Where several cells share a pixel of the screen, the strongest is drawn, or lines would vanish.
  const perPixel = zoom.span / Math.max(1, layout.side * ratio) / (picture?.pool ?? 1);
  const factor = Math.max(1, Math.ceil(perPixel - 0.01));
  const image = useMemo(() => {
    if (!picture) return null;
    const [n = 0] = picture.values.shape;
    const size = Math.ceil(n / factor);
    const shown = poolMax(coloured(picture.values, skipBos), n, factor);
    return heatmap(shown, size, size, { scale, hi });
  }, [picture, factor, scale, hi, skipBos]);

  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element || width === 0) return;
    const context = prepare(element, layout.width, layout.height);
    if (!context) return;
    const drawn = image && picture ? { image, pool: picture.pool * factor } : null;
    const marks = { hover, locked, outlined };
    drawPlot(context, drawn, tokens, layout, zoom, marks, theme, font.mono, font.accent);
  }, [
    image,
    picture,
    factor,
    tokens,
    layout,
    zoom,
    hover,
    locked,
    outlined,
    theme,
    font,
    width,
    ratio,
  ]);

  const moved = useZoomAndPan(canvas, state, layout, zoom, count);
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
      if (held) state.zoom.value = reveal(zoom, count, to.row, to.col);
    });
  };

  const { which, mode, average } = kind;
  const label = shownName(head, average);
  const at = hover ?? (query_pos !== null && key_pos !== null ? locked : NO_PICK);
  const words = inWords(tokens, at, weightAt(picture, at.q ?? -1, at.k ?? -1), kind);
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
        data-outlined={outlinedText || undefined}
        data-exact={picture?.exact ?? false}
        data-left={layout.left}
        style={{ width: `${layout.width}px`, height: `${layout.height}px` }}
        onKeyDown={onKeyDown}
        onPointerMove={(event) => hoverAt(pointAt(event))}
        onPointerLeave={() => hoverAt(null)}
        onBlur={() => hoverAt(null)}
        onClick={(event) => {
          const cell = pointAt(event);
          if (cell && !moved()) lock(cell.q, cell.k);
        }}
      >
        <canvas ref={canvas} />
        <div role="row" aria-rowindex={(at.q ?? 0) + 1} class="lw-plot-cursor" tabIndex={-1}>
          <span role="gridcell" aria-colindex={(at.k ?? 0) + 1} aria-label={words} tabIndex={-1} />
        </div>
      </div>
    </div>
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
