// What long patterns have besides: loaded when there is one.

import type { JSX, RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { Button } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import { type PlotLayout, panTo, wholeView, type Zoom } from "./layout";
import { useRested } from "./part";
import type { Picture } from "./picture";
import { isInside } from "./range";
import { exactSquare, roundedWords } from "./square";
import type { AttentionState } from "./state";
import { ZOOM_KEYS, zoomAt, zoomBy } from "./zoom";

const DRAG_PX = 4;
/** Longer than from one notch of a wheel to the next. */
const ZOOMED_MS = 150;

/**
 * Wheel and keys zoom around the pointer, dragging pans. Zooming out further than the whole leaves the
 * wheel to the page. `dragged` tells a click from the end of a drag.
 */
export function ZoomAndPan(props: {
  canvas: RefObject<HTMLCanvasElement | null>;
  dragged: { current: boolean };
  state: AttentionState;
  layout: PlotLayout;
  zoom: Zoom;
  count: number;
}): null {
  const { canvas, dragged, state, layout, zoom, count } = props;
  const now = useRef({ layout, zoom, count });
  now.current = { layout, zoom, count };

  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    const abort = new AbortController();
    const { signal } = abort;
    const set = (next: Zoom, total: number) =>
      flush(() => {
        state.zoom.value = next.span >= total ? null : next;
      });
    let from: { x: number; y: number; zoom: Zoom } | null = null;

    element.addEventListener(
      "wheel",
      (event) => {
        const { layout: at, zoom: old, count: total } = now.current;
        const frame = element.getBoundingClientRect();
        const x = event.clientX - frame.left - at.left;
        const y = event.clientY - frame.top;
        if (x < 0 || y < 0 || x > at.side || y > at.side) return;
        const factor = Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.002));
        const perPixel = old.span / at.side;
        const next = zoomAt(old, total, factor, old.q0 + y * perPixel, old.k0 + x * perPixel);
        if (next.span === old.span) return;
        event.preventDefault();
        set(next, total);
      },
      { signal, passive: false },
    );
    element.addEventListener(
      "pointerdown",
      (event) => {
        dragged.current = false;
        if (event.button === 0)
          from = { x: event.clientX, y: event.clientY, zoom: now.current.zoom };
      },
      { signal },
    );
    element.addEventListener(
      "pointermove",
      (event) => {
        const { layout: at, count: total } = now.current;
        if (!from || (event.buttons & 1) === 0 || from.zoom.span >= total) return;
        const dx = event.clientX - from.x;
        const dy = event.clientY - from.y;
        if (!dragged.current && Math.hypot(dx, dy) < DRAG_PX) return;
        if (!dragged.current) element.setPointerCapture(event.pointerId);
        dragged.current = true;
        const perPixel = from.zoom.span / at.side;
        const { q0, k0, span } = from.zoom;
        set(panTo({ q0: q0 - dy * perPixel, k0: k0 - dx * perPixel, span }, total), total);
      },
      { signal },
    );
    element.parentElement?.addEventListener(
      "keydown",
      (event) => {
        const by = ZOOM_KEYS[event.key];
        if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        event.stopPropagation();
        flush(() => zoomBy(state, count, by));
      },
      { signal },
    );
    element.addEventListener("pointerup", () => (from = null), { signal });
    element.addEventListener("pointercancel", () => (from = null), { signal });
    return () => abort.abort();
  }, [canvas, dragged, state, count]);
  return null;
}

const ZOOMS = [
  { label: "zoom out", text: "−", key: "-" },
  { label: "zoom in", text: "+", key: "+" },
  { label: "whole pattern", text: "fit", key: "0" },
] as const;

export function ZoomButtons({
  state,
  count,
}: {
  state: AttentionState;
  count: number;
}): JSX.Element {
  return (
    <span class="lw-zoom">
      {ZOOMS.map(({ label, text, key }) => (
        <Button
          key={key}
          label={label}
          title={`${label}: ${key}`}
          disabled={key === "0" && state.zoom.value === null}
          onClick={() => zoomBy(state, count, ZOOM_KEYS[key] ?? 1)}
        >
          {text}
        </Button>
      ))}
    </span>
  );
}

/** Says which cells are rounded, and has those asked for exactly that are zoomed into. */
export function Rounded(props: {
  state: AttentionState;
  pictures: readonly (Picture | null)[];
  zoom: Zoom | null;
  count: number;
  live: boolean;
  isPreview: boolean;
}): JSX.Element | null {
  const { state, pictures, zoom, count, live, isPreview } = props;
  const square = useExactSquare(zoom, count);
  useLayoutEffect(() => {
    flush(() => {
      state.square.value = square;
    });
  }, [state, square]);
  const words = roundedWords(pictures, zoom, count, live, isPreview);
  return words ? <span data-lw-rounded="">{words}</span> : null;
}

/**
 * The cells that are asked for exactly where a long pattern is zoomed into, once the zoom rests. They stay
 * the same while they hold all that is on show.
 */
function useExactSquare(zoom: Zoom | null, count: number): Zoom | null {
  const rested = useRested(zoom, ZOOMED_MS);
  const newest = useMemo(() => exactSquare(rested, count), [rested, count]);
  const held = useRef(newest);
  if (!isInside(held.current, wholeView(count)) || !isInside(zoom, held.current)) {
    held.current = newest;
  }
  return zoom && exactSquare(zoom, count) && held.current;
}
