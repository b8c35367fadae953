// Which rows of a table are in the DOM, and where a key moves among them. Pure.

/** Every row of a table that is long enough to be rendered in part has this height, in CSS pixels. */
export const ROW_HEIGHT = 26;

/** A row that shows more below it, in a height of its own; longer contents scroll inside. */
export interface Opened {
  at: number;
  height: number;
}

/** Tables up to this many rows are simply all in the DOM. */
export const WINDOW_FROM = 300;
const OVERSCAN = 12;

export interface Window {
  start: number;
  end: number;
  before: number;
  after: number;
}

/** The height above a row. */
export function rowTop(index: number, open: Opened | null): number {
  return index * ROW_HEIGHT + (open && index > open.at ? open.height : 0);
}

/** The rows to render for a scroll position, and the empty space that stands for the others. */
export function rowWindow(
  count: number,
  scrollTop: number,
  viewHeight: number,
  open: Opened | null = null,
): Window {
  if (count <= WINDOW_FROM) return { start: 0, end: count, before: 0, after: 0 };
  const past = open && scrollTop > rowTop(open.at + 1, open) ? open.height : 0;
  const first = Math.floor(Math.max(0, scrollTop - past) / ROW_HEIGHT) - OVERSCAN;
  const visible = Math.ceil(viewHeight / ROW_HEIGHT) + 2 * OVERSCAN;
  const start = Math.max(0, Math.min(first, count - visible));
  const end = Math.min(count, start + visible);
  const whole = rowTop(count, open);
  return { start, end, before: rowTop(start, open), after: whole - rowTop(end, open) };
}

/** The scroll position that brings a row into view, or the present one when it is in view. */
export function scrollToRow(
  index: number,
  scrollTop: number,
  viewHeight: number,
  covered: { top: number; bottom: number },
  open: Opened | null = null,
): number {
  const top = rowTop(index, open);
  const visible = viewHeight - covered.top - covered.bottom;
  if (top < scrollTop) return top;
  if (top + ROW_HEIGHT > scrollTop + visible) return top + ROW_HEIGHT - visible;
  return scrollTop;
}

/** The row a key moves to; null for other keys. From outside the rows the arrows enter at the top. */
export function rowTo(key: string, index: number, count: number, page: number): number | null {
  switch (key) {
    case "ArrowDown":
      return index + 1;
    case "ArrowUp":
      return index - 1;
    case "PageDown":
      return index + page;
    case "PageUp":
      return index - page;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}
