import { colorize, drawCells, type Ramp } from "../../core/draw/canvas";
import { cssOf } from "../../core/draw/color";
import { faint, type Theme } from "../../core/draw/theme";
import { type NumArray, part } from "../../core/state/arrays";
import type { HeadRef } from "../../core/state/session";
import {
  AXIS,
  type Cell,
  elide,
  type GridLayout,
  labelStep,
  type PlotLayout,
  poolMax,
  thumbnailAt,
  type Zoom,
} from "./layout";
import { coloured } from "./scale";

export const LONGEST_NAME = 14;
const FONT_SIZE = 11;
/** From one name to the next. */
const LINE = FONT_SIZE + 2;
/** Cells at least this large are outlined one by one. */
const OUTLINE_FROM = 9;
const HALO_PX = 1.5;

/** All heads in one image at cell resolution, pooled to the pixels a thumbnail has. */
export function thumbnailSheet(
  patterns: NumArray,
  skipBos: boolean,
  rampOf: (head: HeadRef) => Ramp,
  pixelsPerThumbnail: number,
): { image: HTMLCanvasElement; size: number } | null {
  const [layers = 0, heads = 0, n = 0] = patterns.shape;
  if (layers * heads * n === 0) return null;
  const factor = Math.max(1, Math.ceil(n / Math.max(1, pixelsPerThumbnail)));
  const size = Math.ceil(n / factor);
  const image = document.createElement("canvas");
  image.width = heads * size;
  image.height = layers * size;
  const context = image.getContext("2d");
  if (!context) return null;
  const tile = context.createImageData(size, size);
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const shown = coloured({ values: part(patterns, layer, head), k0: 0 }, skipBos);
      const values = poolMax(shown, n, factor);
      colorize(values, size, size, rampOf({ layer, head }), tile.data);
      context.putImageData(tile, head * size, layer * size);
    }
  }
  return { image, size };
}

export function drawThumbnails(
  context: CanvasRenderingContext2D,
  sheet: { image: HTMLCanvasElement; size: number },
  layout: GridLayout,
  layers: number,
  heads: number,
): void {
  const { size } = sheet;
  const inner = layout.cell - 2;
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const at = thumbnailAt(layout, heads, layer, head);
      drawCells(
        context,
        sheet.image,
        { x: head * size, y: layer * size, width: size, height: size },
        { x: at.x + 1, y: at.y + 1, width: inner, height: inner },
      );
    }
  }
}

/** What a plot shows besides its picture. */
export interface Marks {
  /** Under the mouse or the keyboard's cursor; one of the two may be open for a whole row or column. */
  hover: { q: number | null; k: number | null } | null;
  locked: { q: number | null; k: number | null };
  /** Cells with a thin outline of their own. */
  outlined: readonly Cell[];
}

export interface PlotPicture {
  image: HTMLCanvasElement;
  /** The cell at its upper left corner. */
  q0: number;
  k0: number;
  /** Positions per pixel of the image: > 1 while only pooled values are known. */
  pool: number;
}

/** Draws one pattern, exact parts over it, with both token axes. */
export function drawPlot(
  context: CanvasRenderingContext2D,
  pictures: readonly PlotPicture[],
  tokens: readonly string[],
  layout: PlotLayout,
  zoom: Zoom,
  marks: Marks,
  theme: Theme,
  font: string,
  accent: string,
): void {
  const { left, side } = layout;
  const pixels = side / zoom.span;
  context.save();
  context.beginPath();
  context.rect(left, 0, side, side);
  context.clip();
  // Shows through where there is no value: a masked score, or BOS left out.
  context.fillStyle = faint(theme, 0.07);
  for (const { image, q0, k0, pool } of pictures) {
    const { width, height } = image;
    const x = left + (k0 - zoom.k0) * pixels;
    const y = (q0 - zoom.q0) * pixels;
    const to = { x, y, width: width * pool * pixels, height: height * pool * pixels };
    context.clearRect(x, y, to.width, to.height);
    context.fillRect(x, y, to.width, to.height);
    drawCells(context, image, { x: 0, y: 0, width, height }, to);
  }
  context.restore();
  if (pixels >= 12) drawGaps(context, layout, zoom, pixels, theme);
  drawOutlined(context, layout, zoom, pixels, marks.outlined, accent);
  frame(context, layout, theme);
  drawAxes(context, layout, theme, font);
  drawNames(context, tokens, layout, zoom, pixels, marks, theme, font, accent);
  drawBands(context, layout, zoom, pixels, marks, accent);
}

function drawGaps(
  context: CanvasRenderingContext2D,
  { left, side }: PlotLayout,
  zoom: Zoom,
  pixels: number,
  theme: Theme,
): void {
  context.fillStyle = cssOf(theme.surface);
  for (let i = Math.ceil(zoom.k0); i <= zoom.k0 + zoom.span; i++) {
    context.fillRect(left + Math.round((i - zoom.k0) * pixels) - 0.5, 0, 1, side);
  }
  for (let i = Math.ceil(zoom.q0); i <= zoom.q0 + zoom.span; i++) {
    context.fillRect(left, Math.round((i - zoom.q0) * pixels) - 0.5, side, 1);
  }
}

function frame(context: CanvasRenderingContext2D, { left, side }: PlotLayout, theme: Theme): void {
  context.strokeStyle = faint(theme, 0.13);
  context.lineWidth = 1;
  context.strokeRect(left + 0.5, 0.5, side - 1, side - 1);
}

/** Which side attends: in the literature both orders are in use. */
function drawAxes(
  context: CanvasRenderingContext2D,
  { left, side, height }: PlotLayout,
  theme: Theme,
  font: string,
): void {
  context.font = `${FONT_SIZE}px ${font}`;
  context.fillStyle = faint(theme, 0.62);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText("to (key)", left + side / 2, height - AXIS / 2);
  context.save();
  context.translate(AXIS / 2, side / 2);
  context.rotate(-Math.PI / 2);
  context.fillText("from (query)", 0, 0);
  context.restore();
}

function drawNames(
  context: CanvasRenderingContext2D,
  tokens: readonly string[],
  { left, side }: PlotLayout,
  zoom: Zoom,
  pixels: number,
  marks: Marks,
  theme: Theme,
  font: string,
  accent: string,
): void {
  const step = labelStep(pixels, LINE);
  context.font = `${FONT_SIZE}px ${font}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  const axis = (
    start: number,
    vertical: boolean,
    hovered: number | null,
    locked: number | null,
  ) => {
    const strong = [hovered, locked].filter((at) => at !== null);
    // The first and last names of a long prompt would stick out of the canvas by half a line.
    const middleOf = (at: number) =>
      Math.max(FONT_SIZE / 2, Math.min(side - FONT_SIZE / 2, (at + 0.5 - start) * pixels));
    const touch = (one: number, other: number) => Math.abs(middleOf(one) - middleOf(other)) < LINE;
    const write = (at: number, color: string) => {
      const exact = (at + 0.5 - start) * pixels;
      if (exact < 0 || exact > side) return;
      const text = elide(tokens[at] ?? "", LONGEST_NAME);
      context.fillStyle = color;
      if (vertical) {
        context.fillText(text, left - 6, middleOf(at));
        return;
      }
      context.save();
      context.translate(left + middleOf(at), side + 6);
      context.rotate(-Math.PI / 2);
      context.fillText(text, 0, 0);
      context.restore();
    };
    let last = Number.NaN;
    for (let at = Math.floor(start / step) * step; at < start + zoom.span; at += step) {
      if (at < 0 || at >= tokens.length || (at + 0.5 - start) * pixels < 0) continue;
      // A thinned axis makes room for the names that matter now; at its ends names move together.
      if (strong.some((other) => touch(other, at)) || (step > 1 && touch(last, at))) continue;
      write(at, faint(theme, 0.62));
      last = at;
    }
    for (const at of strong) if (at !== hovered) write(at, accent);
    if (hovered !== null && (locked === null || !touch(hovered, locked) || hovered === locked)) {
      write(hovered, hovered === locked ? accent : faint(theme, 1));
    }
  };
  axis(zoom.q0, true, marks.hover?.q ?? null, marks.locked.q);
  axis(zoom.k0, false, marks.hover?.k ?? null, marks.locked.k);
}

function drawOutlined(
  context: CanvasRenderingContext2D,
  { left, side }: PlotLayout,
  zoom: Zoom,
  pixels: number,
  cells: readonly Cell[],
  accent: string,
): void {
  if (cells.length === 0) return;
  context.save();
  context.beginPath();
  context.rect(left, 0, side, side);
  context.clip();
  const corners = cells.map(({ q, k }) => [left + (k - zoom.k0) * pixels, (q - zoom.q0) * pixels]);
  if (pixels >= OUTLINE_FROM) {
    context.strokeStyle = accent;
    context.lineWidth = 1;
    for (const [x = 0, y = 0] of corners) {
      context.strokeRect(Math.round(x) + 1.5, Math.round(y) + 1.5, pixels - 3, pixels - 3);
    }
  } else {
    // An outline inside a small cell would hide its weight: the line goes around them all.
    const around = new Path2D();
    const outside = new Path2D();
    outside.rect(left, 0, side, side);
    for (const [x = 0, y = 0] of corners) {
      around.rect(x - HALO_PX, y - HALO_PX, pixels + 2 * HALO_PX, pixels + 2 * HALO_PX);
      outside.rect(x, y, pixels, pixels);
    }
    context.clip(outside, "evenodd");
    context.fillStyle = accent;
    context.fill(around);
  }
  context.restore();
}

/** Outlines what is picked: a cell, or a whole row or column when only one side is. */
function drawBands(
  context: CanvasRenderingContext2D,
  layout: PlotLayout,
  zoom: Zoom,
  pixels: number,
  marks: Marks,
  accent: string,
): void {
  const { left, side } = layout;
  const outline = (q: number | null, k: number | null, width: number) => {
    if (q === null && k === null) return;
    const y0 = q === null ? 0 : Math.max(0, (q - zoom.q0) * pixels);
    const y1 = q === null ? side : Math.min(side, (q + 1 - zoom.q0) * pixels);
    const x0 = k === null ? 0 : Math.max(0, (k - zoom.k0) * pixels);
    const x1 = k === null ? side : Math.min(side, (k + 1 - zoom.k0) * pixels);
    if (y1 <= y0 || x1 <= x0) return;
    context.strokeStyle = accent;
    context.lineWidth = width;
    // On the cell's edge, but never so small that it cannot be seen, nor cut off at the square's edge.
    const w = Math.max(x1 - x0, 5);
    const h = Math.max(y1 - y0, 5);
    const x = Math.min(left + x0, left + side - w);
    const y = Math.min(y0, side - h);
    const inset = width / 2;
    context.strokeRect(x + inset, y + inset, w - width, h - width);
  };
  outline(marks.locked.q, marks.locked.k, 2);
  if (marks.hover) outline(marks.hover.q, marks.hover.k, 1);
}

/** The widest name's width, up to the length at which names are cut. */
export function nameWidth(tokens: readonly string[], font: string): number {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return 60;
  context.font = `${FONT_SIZE}px ${font}`;
  let widest = 16;
  for (const token of new Set(tokens)) {
    widest = Math.max(widest, context.measureText(elide(token, LONGEST_NAME)).width);
  }
  return Math.min(widest, 110);
}

export type { Cell };
