import { drawCells, type Rect } from "../../draw/canvas";
import { cssOf } from "../../draw/color";
import { faint, type Theme } from "../../draw/theme";
import type { MapDrawing } from "./drawing";
import { cellRect, FONT_PX, visible } from "./layout";
import { drawNames, fitted } from "./names";
import type { MapCell, MapPicture } from "./types";

/** Draws the visible part of a map: cells, what qualifies them, marks, names. */
export function drawMap(drawn: MapDrawing): void {
  const { context, layout, scroll } = drawn;
  const { left, bottom, viewWidth, viewHeight } = layout;
  context.save();
  context.beginPath();
  context.rect(left - 2, 0, viewWidth - left + 2, viewHeight - bottom + 2);
  context.clip();
  context.translate(-scroll.x, -scroll.y);
  drawValues(drawn);
  drawMarks(drawn);
  context.restore();
  drawFrame(drawn);
  drawNames(drawn);
}

/** The edge of what is in sight: cells at zero have the panel's own colour. */
function drawFrame({ context, layout, theme }: MapDrawing): void {
  const { left, top, gap, rows, cols, cellWidth, cellHeight } = layout;
  const width = Math.min(cols * cellWidth - gap, layout.viewWidth - left - 1);
  const height = Math.min(rows * cellHeight - gap, layout.viewHeight - layout.bottom - top);
  context.strokeStyle = faint(theme, 0.13);
  context.lineWidth = 1;
  context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
}

function drawValues({ context, picture, layout, scroll, theme, look }: MapDrawing): void {
  const { left, top, cellWidth, cellHeight, gap, cols } = layout;
  const { row0, row1, col0, col1 } = visible(layout, scroll);
  const image = picture.image;
  if (image) {
    const source = { x: col0, y: row0, width: col1 - col0, height: row1 - row0 };
    if (source.width <= 0 || source.height <= 0) return;
    drawCells(context, image, source, {
      x: left + col0 * cellWidth,
      y: top + row0 * cellHeight,
      width: source.width * cellWidth,
      height: source.height * cellHeight,
    });
  }
  const hatch = hatching(context, theme);
  const roomy = Math.min(cellWidth, cellHeight) >= 6;
  context.font = `${FONT_PX}px ${picture.cut ? look.mono : look.text}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = row0; row < row1; row++) {
    for (let col = col0; col < col1; col++) {
      const index = row * cols + col;
      const cell = cellRect({ row, col }, layout);
      const state = picture.state(index);
      if (state === "unknown" && hatch) fill(context, cell, hatch);
      else if (state === "absent") fill(context, cell, faint(theme, 0.05));
      else if (state === "estimate" && roomy) dots(context, cell, picture, index);
      if (picture.text && state !== "unknown" && state !== "absent") {
        context.fillStyle = picture.scale.ink(picture.shade(index));
        const middle = cell.y + cell.height / 2 + 0.5;
        const words = picture.text(index);
        const shown = picture.cut ? fitted(context, words, cell.width - gap - 4) : words;
        context.fillText(shown, cell.x + (cell.width - gap) / 2, middle);
      }
      if (picture.ablated?.(index)) strike(context, cell, gap, look.ablate);
    }
  }
  if (gap === 0) return;
  context.fillStyle = cssOf(theme.surface);
  for (let col = col0; col <= col1; col++) {
    context.fillRect(
      left + col * cellWidth - gap,
      top + row0 * cellHeight,
      gap,
      (row1 - row0) * cellHeight,
    );
  }
  for (let row = row0; row <= row1; row++) {
    context.fillRect(
      left + col0 * cellWidth,
      top + row * cellHeight - gap,
      (col1 - col0) * cellWidth,
      gap,
    );
  }
}

function fill(context: CanvasRenderingContext2D, cell: Rect, style: string | CanvasPattern): void {
  context.fillStyle = style;
  context.fillRect(cell.x, cell.y, cell.width, cell.height);
}

/** Diagonal lines for what is not known yet. */
function hatching(context: CanvasRenderingContext2D, theme: Theme): CanvasPattern | null {
  const tile = document.createElement("canvas");
  tile.width = 6;
  tile.height = 6;
  const lines = tile.getContext("2d");
  if (!lines) return null;
  lines.strokeStyle = faint(theme, 0.2);
  lines.beginPath();
  for (const shift of [-6, 0, 6]) {
    lines.moveTo(shift, 6);
    lines.lineTo(shift + 6, 0);
  }
  lines.stroke();
  return context.createPattern(tile, "repeat");
}

/** Three dots in the corner of an estimate, two in a small cell. */
function dots(
  context: CanvasRenderingContext2D,
  cell: Rect,
  picture: MapPicture,
  index: number,
): void {
  context.fillStyle = picture.scale.ink(picture.shade(index));
  context.globalAlpha = 0.75;
  const size = cell.height >= 12 ? 1.6 : 1;
  const step = cell.height >= 12 ? 3 : 2;
  const right = cell.x + cell.width - 2 - size;
  const places: [number, number][] = [
    [0, 0],
    [1, 0],
    [0, 1],
  ];
  for (const [across, down] of places) {
    context.fillRect(right - across * step, cell.y + 2 + down * step, size, size);
  }
  context.globalAlpha = 1;
}

function strike(context: CanvasRenderingContext2D, cell: Rect, gap: number, color: string): void {
  const width = cell.width - gap;
  const height = cell.height - gap;
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  context.strokeRect(cell.x + 0.75, cell.y + 0.75, width - 1.5, height - 1.5);
  context.globalAlpha = 0.6;
  context.beginPath();
  context.moveTo(cell.x, cell.y + height);
  context.lineTo(cell.x + width, cell.y);
  context.stroke();
  context.globalAlpha = 1;
}

function drawMarks({ context, layout, marks, theme, look }: MapDrawing): void {
  const outline = (cell: MapCell, color: string, width: number) => {
    const { x, y, width: w, height: h } = cellRect(cell, layout);
    context.strokeStyle = color;
    context.lineWidth = width;
    // Around the cell when it is too small to have an inside.
    const grow = Math.min(w, h) < 8 ? 2 : 0.5;
    context.strokeRect(x - grow, y - grow, w - layout.gap + 2 * grow, h - layout.gap + 2 * grow);
  };
  for (const cell of marks.selected) outline(cell, look.accent, 2);
  if (marks.previewed) outline(marks.previewed, faint(theme, 0.6), 1);
  if (marks.hover) outline(marks.hover, faint(theme, 0.9), 1);
  if (!marks.brush) return;
  const from = cellRect(marks.brush.from, layout);
  const to = cellRect(marks.brush.to, layout);
  const x = Math.min(from.x, to.x);
  const y = Math.min(from.y, to.y);
  const width = Math.max(from.x, to.x) + from.width - x;
  const height = Math.max(from.y, to.y) + from.height - y;
  context.globalAlpha = 0.18;
  context.fillStyle = look.accent;
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
  context.strokeStyle = look.accent;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
}
