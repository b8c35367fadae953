/**
 * JupyterLab leaves keys alone inside an element with this attribute. Without it, "x" pressed on one
 * of our buttons would cut the cell.
 */
export const takesKeys = { "data-lm-suppress-shortcuts": "true" } as const;

export interface Cell {
  row: number;
  col: number;
}

/** Where a key moves the focus in a grid; null when the key is not for moving. Ends are walls. */
export function moveInGrid(key: string, cell: Cell, rows: number, cols: number): Cell | null {
  const clamp = (value: number, size: number) => Math.max(0, Math.min(size - 1, value));
  switch (key) {
    case "ArrowUp":
      return { ...cell, row: clamp(cell.row - 1, rows) };
    case "ArrowDown":
      return { ...cell, row: clamp(cell.row + 1, rows) };
    case "ArrowLeft":
      return { ...cell, col: clamp(cell.col - 1, cols) };
    case "ArrowRight":
      return { ...cell, col: clamp(cell.col + 1, cols) };
    case "Home":
      return { ...cell, col: 0 };
    case "End":
      return { ...cell, col: cols - 1 };
    case "PageUp":
      return { ...cell, row: 0 };
    case "PageDown":
      return { ...cell, row: rows - 1 };
    default:
      return null;
  }
}

/** Where a key moves the focus in a list; null when the key is not for moving. Ends are walls. */
export function moveInList(key: string, index: number, count: number): number | null {
  if (key.startsWith("Page") || key === "ArrowLeft" || key === "ArrowRight") return null;
  const at = key === "Home" ? "PageUp" : key === "End" ? "PageDown" : key;
  return moveInGrid(at, { row: index, col: 0 }, count, 1)?.row ?? null;
}

/** Undo and redo as every view takes them: z, shift+z. Null for other keys and for text fields. */
export function historyKey(event: KeyboardEvent): "undo" | "redo" | null {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return null;
  if (event.key === "z") return "undo";
  return event.key === "Z" ? "redo" : null;
}

function isTyping(event: KeyboardEvent): boolean {
  // In a shadow root `target` is retargeted to the host; the path's first element is the real one.
  const target = event.composedPath()[0] ?? event.target;
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}
