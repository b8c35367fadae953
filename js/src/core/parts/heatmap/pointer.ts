import { useRef, useState } from "preact/hooks";
import { flush } from "../../state/flush";
import { afterBrush, afterClick, sameCell } from "./select";
import type { HeatMapProps, MapCell } from "./types";

const DRAG_PX = 4;

export interface Brush {
  from: MapCell;
  to: MapCell;
}

/** Mouse, pen and touch on a map. `cellAt` finds the cell under an event. */
export function usePointer(
  props: HeatMapProps,
  cellAt: (event: MouseEvent) => MapCell | null,
  hover: (cell: MapCell | null) => void,
  moveCursor: (cell: MapCell) => void,
) {
  const { selected = [], onSelect, onOpen } = props;
  const [brush, setBrush] = useState<Brush | null>(null);
  const start = useRef<{ x: number; y: number; cell: MapCell } | null>(null);
  const brushed = useRef(false);

  const end = () => {
    start.current = null;
    if (brush) setBrush(null);
  };
  return {
    brush,
    cancelBrush: end,
    onPointerDown(event: PointerEvent) {
      brushed.current = false;
      const cell = cellAt(event);
      // A finger scrolls; brushing is for the mouse and the pen.
      const draws = onSelect && cell && event.button === 0 && event.pointerType !== "touch";
      start.current = draws ? { x: event.clientX, y: event.clientY, cell } : null;
    },
    onPointerMove(event: PointerEvent) {
      const cell = cellAt(event);
      hover(cell);
      const from = start.current;
      if (!from || (event.buttons & 1) === 0 || !cell) return;
      const far = Math.hypot(event.clientX - from.x, event.clientY - from.y) >= DRAG_PX;
      if (!brush && (!far || sameCell(cell, from.cell))) return;
      if (!brush && event.currentTarget instanceof Element) {
        event.currentTarget.setPointerCapture(event.pointerId);
      }
      brushed.current = true;
      if (!brush || !sameCell(brush.to, cell)) {
        flush(() => setBrush({ from: from.cell, to: cell }));
      }
    },
    onPointerUp(event: PointerEvent) {
      const done = brush;
      flush(() => {
        end();
        if (done) onSelect?.(afterBrush(selected, done.from, done.to, event.shiftKey), done.to);
      });
    },
    onPointerCancel: () => flush(end),
    onClick(event: MouseEvent) {
      const cell = cellAt(event);
      if (!cell || brushed.current) return;
      flush(() => {
        moveCursor(cell);
        onSelect?.(afterClick(selected, cell, event.shiftKey), cell);
      });
    },
    onDblClick(event: MouseEvent) {
      const cell = cellAt(event);
      if (!cell || event.shiftKey) return;
      // The two clicks before it have locked the cell and let it go again.
      flush(() => {
        onSelect?.([cell], cell);
        onOpen?.(cell);
      });
    },
  };
}
