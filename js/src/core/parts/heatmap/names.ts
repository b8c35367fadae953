import { faint } from "../../draw/theme";
import type { MapDrawing } from "./drawing";
import { everyFitting, FONT_PX, visible } from "./layout";

/** Writes row names at the left and column names below, thinned so that none touch or are cut. */
export function drawNames(drawn: MapDrawing): void {
  const { context, picture, layout, scroll, marks, theme, look } = drawn;
  const { left, top, bottom, cellWidth, cellHeight, viewWidth, viewHeight } = layout;
  const { row0, row1, col0, col1 } = visible(layout, scroll);
  const floor = viewHeight - bottom;
  const strong = marks.hover;
  context.textBaseline = "middle";
  context.font = `${FONT_PX}px ${look.mono}`;
  const half = FONT_PX / 2;
  const title = picture.axes ? 16 : 0;

  const { groups } = picture;
  if (groups && layout.everyRow > 1) {
    nameGroups(drawn, groups);
    if (picture.axes) drawTitles(drawn, picture.axes);
    return;
  }
  context.textAlign = "right";
  for (const row of named(row0, row1, layout.everyRow, strong?.row, FONT_PX / cellHeight)) {
    const exact = top + (row + 0.5) * cellHeight - scroll.y;
    if (exact < 0 || exact > floor) continue;
    const middle = Math.max(half, Math.min(floor - half + 2, exact));
    context.fillStyle = faint(theme, row === strong?.row ? 1 : 0.66);
    context.fillText(
      fitted(context, picture.rows[row] ?? "", left - title - 5),
      left - 5,
      middle + 0.5,
    );
  }

  const spacing = layout.rotated ? (FONT_PX + 3) / cellWidth : layout.everyCol;
  for (const col of named(col0, col1, layout.everyCol, strong?.col, spacing)) {
    const exact = left + (col + 0.5) * cellWidth - scroll.x;
    if (exact < left || exact > viewWidth) continue;
    context.fillStyle = faint(theme, col === strong?.col ? 1 : 0.66);
    const text = fitted(
      context,
      picture.cols[col] ?? "",
      layout.rotated ? bottom - title - 6 : 120,
    );
    if (layout.rotated) {
      context.save();
      context.translate(Math.min(exact, viewWidth - half), floor + 5);
      context.rotate(-Math.PI / 2);
      context.textAlign = "right";
      context.fillText(text, 0, 0.5);
      context.restore();
    } else {
      const wide = context.measureText(text).width / 2;
      context.textAlign = "center";
      const middle = Math.max(
        left + Math.min(wide, cellWidth / 2),
        Math.min(viewWidth - wide, exact),
      );
      context.fillText(text, middle, floor + 4 + half);
    }
  }
  if (picture.axes) drawTitles(drawn, picture.axes);
}

/** Where single rows are too thin for names, their groups have one, each where its group begins. */
function nameGroups(
  { context, layout, marks, theme }: MapDrawing,
  groups: { rows: readonly string[]; cols: readonly string[] },
): void {
  const { left, top, bottom, cellWidth, cellHeight, rows, cols, viewHeight } = layout;
  const perRow = rows / groups.rows.length;
  const perCol = cols / groups.cols.length;
  const strong = marks.hover && {
    row: Math.floor(marks.hover.row / perRow),
    col: Math.floor(marks.hover.col / perCol),
  };
  const [tall, wide] = [perRow * cellHeight, perCol * cellWidth];
  context.textAlign = "right";
  const everyRow = everyFitting(FONT_PX + 2, tall);
  for (const row of named(0, groups.rows.length, everyRow, strong?.row, (FONT_PX + 2) / tall)) {
    context.fillStyle = faint(theme, row === strong?.row ? 1 : 0.66);
    context.fillText(groups.rows[row] ?? "", left - 5, top + (row + 0.5) * tall + 0.5);
  }
  context.textAlign = "center";
  const room = Math.max(...groups.cols.map((name) => context.measureText(name).width)) + 5;
  for (const col of named(
    0,
    groups.cols.length,
    everyFitting(room, wide),
    strong?.col,
    room / wide,
  )) {
    context.fillStyle = faint(theme, col === strong?.col ? 1 : 0.66);
    const middle = left + (col + 0.5) * wide;
    context.fillText(groups.cols[col] ?? "", middle, viewHeight - bottom + 5 + FONT_PX / 2);
  }
}

function drawTitles(
  { context, layout, theme, look }: MapDrawing,
  axes: { rows: string; cols: string },
): void {
  const { left, bottom, viewWidth, viewHeight } = layout;
  context.font = `${FONT_PX}px ${look.text}`;
  context.fillStyle = faint(theme, 0.66);
  context.textAlign = "center";
  const middle = (left + viewWidth) / 2;
  context.fillText(axes.cols, middle, viewHeight - 7);
  context.save();
  const height = viewHeight - bottom;
  const wide = context.measureText(axes.rows).width;
  context.translate(8, Math.max(height / 2, wide / 2));
  context.rotate(-Math.PI / 2);
  context.fillText(axes.rows, 0, 0);
  context.restore();
}

/** Every so many, and the pointed-at one in place of those it would touch. */
function* named(
  from: number,
  to: number,
  every: number,
  strong: number | undefined,
  near: number,
): Generator<number> {
  for (let at = Math.ceil(from / every) * every; at < to; at += every) {
    if (at !== strong && strong !== undefined && Math.abs(at - strong) < near) continue;
    yield at;
  }
  if (strong !== undefined && strong % every !== 0) yield strong;
}

/** The text, cut with an ellipsis when it is wider than its room. */
export function fitted(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let cut = text;
  while (cut.length > 1 && context.measureText(`${cut}…`).width > room) cut = cut.slice(0, -1);
  return `${cut}…`;
}
