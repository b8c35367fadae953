// Where a key moves among tokens that wrap like text: pure geometry, tested without a browser.

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export type MoveKey = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" | "Home" | "End";

export function isMoveKey(key: string): key is MoveKey {
  return (
    key === "ArrowLeft" ||
    key === "ArrowRight" ||
    key === "ArrowUp" ||
    key === "ArrowDown" ||
    key === "Home" ||
    key === "End"
  );
}

/**
 * The chip that a key moves to. Left and right follow reading order across lines; up and down go to
 * the chip of the neighbouring line whose centre is nearest, since wrapped lines have no columns.
 */
export function moveAmong(boxes: readonly Box[], index: number, key: MoveKey): number {
  const last = boxes.length - 1;
  if (last < 0) return -1;
  const from = boxes[index];
  if (key === "Home" || from === undefined) return 0;
  if (key === "End") return last;
  if (key === "ArrowLeft") return Math.max(0, index - 1);
  if (key === "ArrowRight") return Math.min(last, index + 1);

  const step = key === "ArrowUp" ? -1 : 1;
  const centre = from.left + from.width / 2;
  let best = index;
  let bestDistance = Number.POSITIVE_INFINITY;
  let line: number | null = null;
  for (let i = index + step; i >= 0 && i <= last; i += step) {
    const box = boxes[i];
    if (box === undefined || sameLine(box, from)) continue;
    if (line === null) line = box.top;
    else if (Math.abs(box.top - line) > box.height / 2) break;
    const distance = Math.abs(box.left + box.width / 2 - centre);
    if (distance < bestDistance) {
      bestDistance = distance;
      best = i;
    }
  }
  return best;
}

function sameLine(a: Box, b: Box): boolean {
  return Math.abs(a.top - b.top) <= Math.min(a.height, b.height) / 2;
}
