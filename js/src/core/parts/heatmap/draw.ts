import { drawCells, type Rect } from "../../draw/canvas";
import { cssOf } from "../../draw/color";
import { faint, type Theme } from "../../draw/theme";
import type { MapDrawing } from "./drawing";
import { cellRect, FONT_PX, visible } from "./layout";
import { drawNames, fitted } from "./names";
import type { MapCell } from "./types";
import { FADED } from "./veil";

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
  if (drawn.picture.groups) drawGroups(drawn, drawn.picture.groups);
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

function drawValues(drawn: MapDrawing): void {
  const { context, picture, layout, scroll, theme } = drawn;
  const { left, top, cellWidth, cellHeight, gap } = layout;
  const { row0, row1, col0, col1 } = visible(layout, scroll);
  const image = picture.image;
  const source = { x: col0, y: row0, width: col1 - col0, height: row1 - row0 };
  if (image && (source.width <= 0 || source.height <= 0)) return;
  const to = {
    x: left + col0 * cellWidth,
    y: top + row0 * cellHeight,
    width: source.width * cellWidth,
    height: source.height * cellHeight,
  };
  if (image) drawCells(context, image, source, to);
  if (picture.veil) drawCells(context, picture.veil, source, to);
  // Of very many cells none has text or a mark of its own.
  if (!picture.veil || picture.text || picture.ablated) drawEach(drawn);
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

/** What qualifies a cell, and what is written in it. */
function drawEach({ context, picture, layout, scroll, theme, look }: MapDrawing): void {
  const { gap, cols, cellWidth, cellHeight } = layout;
  const { row0, row1, col0, col1 } = visible(layout, scroll);
  const hatch = hatching(context, theme);
  const [r, g, b] = theme.surface;
  const fading = `rgb(${r} ${g} ${b} / ${1 - FADED})`;
  const veil = { unknown: hatch, absent: faint(theme, 0.05), estimate: fading, exact: null };
  const roomy = Math.min(cellWidth, cellHeight) >= 5;
  context.font = `${FONT_PX}px ${picture.cut ? look.mono : look.text}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = row0; row < row1; row++) {
    for (let col = col0; col < col1; col++) {
      const index = row * cols + col;
      const cell = cellRect({ row, col }, layout);
      const state = picture.state(index);
      const known = state === "exact" || state === "estimate";
      const over = picture.veil ? null : veil[state];
      if (over) fill(context, cell, over);
      if (known && (picture.text || picture.beyond(index))) {
        const shade = picture.shade(index) * (state === "estimate" ? FADED : 1);
        const ink = picture.scale.ink(shade);
        if (roomy && picture.beyond(index)) corner(context, cell, gap, ink);
        const words = picture.text?.(index) ?? "";
        const shown = picture.cut ? fitted(context, words, cell.width - gap - 4) : words;
        context.fillStyle = ink;
        const middle = cell.y + cell.height / 2 + 0.5;
        if (shown) context.fillText(shown, cell.x + (cell.width - gap) / 2, middle);
      }
      if (picture.ablated?.(index)) strike(context, cell, gap, look.ablate);
    }
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

/** A corner that says: the colours end before this value. */
function corner(context: CanvasRenderingContext2D, cell: Rect, gap: number, ink: string): void {
  const size = Math.min(6, cell.width / 2, cell.height / 2);
  const right = cell.x + cell.width - gap;
  context.fillStyle = ink;
  context.beginPath();
  context.moveTo(right - size, cell.y);
  context.lineTo(right, cell.y);
  context.lineTo(right, cell.y + size);
  context.fill();
}

/** Lines between groups of rows and of columns. */
function drawGroups(
  { context, layout, theme }: MapDrawing,
  groups: { rows: readonly string[]; cols: readonly string[] },
): void {
  const { left, top, rows, cols, cellWidth, cellHeight } = layout;
  const [width, height] = [cols * cellWidth, rows * cellHeight];
  context.fillStyle = faint(theme, 0.16);
  for (let row = 1; row < groups.rows.length; row++) {
    context.fillRect(left, top + Math.round((row * height) / groups.rows.length) - 1, width, 1);
  }
  for (let col = 1; col < groups.cols.length; col++) {
    context.fillRect(left + Math.round((col * width) / groups.cols.length) - 1, top, 1, height);
  }
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
  for (const cell of marks.outlined) outline(cell, faint(theme, 0.75), 1);
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
