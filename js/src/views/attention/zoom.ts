import { panTo, wholeView, type Zoom } from "./layout";
import type { AttentionState } from "./state";

const SMALLEST_SPAN = 8;

/** Zooms by `factor` (> 1 is closer) around the point (q, k), which stays where it is. */
export function zoomAt(zoom: Zoom, count: number, factor: number, q: number, k: number): Zoom {
  const span = Math.max(Math.min(SMALLEST_SPAN, count), Math.min(count, zoom.span / factor));
  const ratio = span / zoom.span;
  return panTo({ q0: q - (q - zoom.q0) * ratio, k0: k - (k - zoom.k0) * ratio, span }, count);
}

const STEP = 1.6;
export const ZOOM_KEYS: Readonly<Record<string, number>> = {
  "+": STEP,
  "=": STEP,
  "-": 1 / STEP,
  "0": 0,
};

/** For buttons and keys: closer or further around what is pointed at, else around the middle; 0 shows everything. */
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
