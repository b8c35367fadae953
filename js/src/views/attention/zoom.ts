import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { flush } from "../../core/state/flush";
import { type PlotLayout, panTo, wholeView, type Zoom, zoomAt } from "./layout";
import type { AttentionState } from "./state";

/** Below this many tokens every cell is large enough, and the wheel is left to the page. */
export const ZOOM_FROM = 64;
const DRAG_PX = 4;

/**
 * Wheel zooms around the pointer, dragging pans, for long prompts. Zooming out further than the whole
 * leaves the wheel to the page. The returned function tells a click from the end of a drag.
 */
export function useZoomAndPan(
  canvas: RefObject<HTMLCanvasElement | null>,
  state: AttentionState,
  layout: PlotLayout,
  zoom: Zoom,
  count: number,
): () => boolean {
  const dragged = useRef(false);
  const now = useRef({ layout, zoom, count });
  now.current = { layout, zoom, count };

  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element || count <= ZOOM_FROM) return undefined;
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
    element.addEventListener("pointerup", () => (from = null), { signal });
    element.addEventListener("pointercancel", () => (from = null), { signal });
    return () => abort.abort();
  }, [canvas, state, count]);

  return () => dragged.current;
}

/** For buttons and keys: closer or further around what is picked, else around the middle. */
export function zoomBy(state: AttentionState, count: number, factor: number): void {
  const zoom = state.zoom.peek() ?? wholeView(count);
  const hover = state.hover.peek();
  const middle = zoom.span / 2;
  const next = zoomAt(
    zoom,
    count,
    factor,
    hover?.q ?? zoom.q0 + middle,
    hover?.k ?? zoom.k0 + middle,
  );
  state.zoom.value = next.span >= count ? null : next;
}
