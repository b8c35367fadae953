/** Geometry of a heat map, in CSS pixels. Pure. */

import type { Rect } from "../../draw/canvas";
import type { MapCell } from "./types";

/** Up to this many cells each is an element; beyond, only the cells under mouse and focus are. */
export const DENSE_CELLS = 2000;
export const FONT_PX = 11;
const LINE_PX = FONT_PX + 3;
const PAD = 6;
const TITLE = 16;
const MAX_CELL_WIDTH = 56;
const MAX_CELL_HEIGHT = 26;
const MAX_SQUARE = 40;
const MAX_LABEL = 110;
export const MIN_WORD = 46;
const MAX_WORD = 96;
const WORD_HEIGHT = 22;
/** What a thin scrollbar takes; without room of its own it would make the map scroll the other way, too. */
export const BAR = 12;

export interface MapLayout {
  rows: number;
  cols: number;
  cellWidth: number;
  cellHeight: number;
  /** Space between cells, taken from their size. */
  gap: number;
  /** Room for row names at the left and column names at the bottom; neither scrolls away. */
  left: number;
  bottom: number;
  top: number;
  /** The whole map, and the part of it that is visible at once. */
  width: number;
  height: number;
  viewWidth: number;
  viewHeight: number;
  /** Every how many rows or columns a name is written. */
  everyRow: number;
  everyCol: number;
  /** Column names run upwards. */
  rotated: boolean;
}

export interface MapInput {
  rows: number;
  cols: number;
  /** Available width, and the height before it scrolls. */
  width: number;
  maxHeight: number;
  /** The widest row and column names, in pixels. */
  rowNames: number;
  colNames: number;
  /** Of groups of columns, where single ones are too narrow for names. */
  grouped?: boolean;
  /** Whether titles of the axes are written. */
  titled: boolean;
  square: boolean;
  /** Cells have words in them. */
  worded?: boolean;
  /** A row's height at most. */
  rowHeight?: number | undefined;
  /** The map scrolls downwards, and its bar takes room. */
  scrolls?: boolean;
}

export function mapLayout(input: MapInput): MapLayout {
  const { rows, cols, width, maxHeight, titled, square, worded = false } = input;
  const many = rows * cols > DENSE_CELLS;
  const [narrowest, lowest] = many ? [2, 2] : [4, 8];
  const title = titled ? TITLE : 0;
  const left = Math.ceil(Math.min(input.rowNames, MAX_LABEL)) + PAD + title;
  const top = 2;
  const room = Math.max(40, width - left - 2);
  const widest = worded ? MAX_WORD : square ? MAX_SQUARE : MAX_CELL_WIDTH;
  const least = worded ? MIN_WORD : narrowest;
  const cellWidth = clamp(Math.floor(room / Math.max(1, cols)), least, widest);

  const names = Math.min(input.colNames, MAX_LABEL);
  const flatEvery = everyFitting(names + PAD, cellWidth);
  // Short names stay level and are thinned; long ones are turned before any is left out.
  const rotated =
    !input.grouped && names + PAD > cellWidth && (names > 34 || (flatEvery > 4 && cols < 20));
  const everyCol = rotated ? everyFitting(LINE_PX, cellWidth) : flatEvery;
  const bottom = Math.ceil(rotated ? names : FONT_PX) + PAD + 2 + title;

  const roomDown = Math.max(40, maxHeight - bottom - top);
  const wanted = worded
    ? WORD_HEIGHT
    : square
      ? cellWidth
      : clamp(Math.round(cellWidth * 0.6), 16, input.rowHeight ?? MAX_CELL_HEIGHT);
  const cellHeight = clamp(
    Math.floor(roomDown / Math.max(1, rows)),
    worded ? WORD_HEIGHT - 4 : Math.min(lowest, wanted),
    wanted,
  );
  const gap = Math.min(cellWidth, cellHeight) >= 8 ? 1 : 0;

  const total = { width: left + cols * cellWidth + 2, height: top + rows * cellHeight + bottom };
  if (total.height > maxHeight && !input.scrolls) {
    return mapLayout({ ...input, width: width - BAR, scrolls: true });
  }
  return {
    rows,
    cols,
    cellWidth,
    cellHeight,
    gap,
    left,
    bottom,
    top,
    ...total,
    viewWidth: Math.min(total.width, Math.max(width, left + narrowest)),
    viewHeight: Math.min(total.height, Math.max(maxHeight, bottom + lowest)),
    everyRow: everyFitting(FONT_PX, cellHeight),
    everyCol,
    rotated,
  };
}

/** The smallest of 1, 2, 5, 10, 20, 50 ... cells that give a name its room. */
export function everyFitting(needed: number, cell: number): number {
  for (let power = 1; power < 1e6; power *= 10) {
    for (const step of [1, 2, 5]) if (step * power * cell >= needed) return step * power;
  }
  return 1e6;
}

/** How far the map is scrolled. */
export interface Scroll {
  x: number;
  y: number;
}

/** The cell under a point of the visible part; null on the names and outside. */
export function cellUnder(x: number, y: number, layout: MapLayout, scroll: Scroll): MapCell | null {
  const { left, top, bottom, cellWidth, cellHeight, viewWidth, viewHeight, rows, cols } = layout;
  if (x < left || y < 0 || x > viewWidth || y > viewHeight - bottom) return null;
  const col = Math.floor((x - left + scroll.x) / cellWidth);
  const row = Math.floor((y - top + scroll.y) / cellHeight);
  if (row < 0 || col < 0 || row >= rows || col >= cols) return null;
  return { row, col };
}

/** A cell's place in the whole map. */
export function cellRect({ row, col }: MapCell, layout: MapLayout): Rect {
  const { left, top, cellWidth, cellHeight } = layout;
  return {
    x: left + col * cellWidth,
    y: top + row * cellHeight,
    width: cellWidth,
    height: cellHeight,
  };
}

/** The scroll that brings a cell into sight, moving as little as possible. */
export function scrollTo(cell: MapCell, layout: MapLayout, scroll: Scroll): Scroll {
  const { x, y, width, height } = cellRect(cell, layout);
  const { left, top, bottom, viewWidth, viewHeight } = layout;
  const least = (from: number, size: number, start: number, room: number, now: number) => {
    if (from - now < start) return from - start;
    if (from + size - now > start + room) return from + size - start - room;
    return now;
  };
  return {
    x: least(x, width, left, viewWidth - left, scroll.x),
    y: least(y, height, top, viewHeight - top - bottom, scroll.y),
  };
}

/** The rows and columns that are in sight, ends excluded. */
export function visible(layout: MapLayout, scroll: Scroll) {
  const { left, top, bottom, cellWidth, cellHeight, viewWidth, viewHeight, rows, cols } = layout;
  return {
    row0: clamp(Math.floor(scroll.y / cellHeight), 0, rows),
    row1: clamp(Math.ceil((scroll.y + viewHeight - top - bottom) / cellHeight), 0, rows),
    col0: clamp(Math.floor(scroll.x / cellWidth), 0, cols),
    col1: clamp(Math.ceil((scroll.x + viewWidth - left) / cellWidth), 0, cols),
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
