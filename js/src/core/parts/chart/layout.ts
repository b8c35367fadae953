/** Geometry of a line chart, in CSS pixels. Pure. */

import { brief, niceCeil } from "../../draw/format";
import { everyFitting } from "../heatmap/layout";
import type { ChartSeries, ValueScale } from "./types";
import { valueAt } from "./words";

export interface ChartLayout {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  floor: number;
  ticks: readonly { value: number; text: string; y: number }[];
  /** Points' names as they are written, every how many of them, and whether at an angle. */
  names: readonly string[];
  every: number;
  turned: boolean;
  /** From one point to the next. */
  step: number;
  x: (index: number) => number;
  y: (value: number) => number;
}

export const FROM_ZERO: ValueScale = { to: (value) => value, includes: [0] };

const LEFT = 60;
const TOP = 8;
const AXIS_NAME = 18;
const LETTER = 7;
const LINE = 15;
const LONGEST = 14;
const NARROW = 30;

export function chartLayout(
  points: readonly string[],
  series: readonly ChartSeries[],
  scale: ValueScale,
  width: number,
  height: number,
): ChartLayout {
  const [left, right] = [LEFT, width - 12];
  const step = (right - left) / Math.max(1, points.length);
  const names = points.map(cut);
  const longest = LETTER * Math.max(0, ...names.map((name) => name.length));
  const turned = longest + 6 > step && longest > NARROW;
  const floor = height - AXIS_NAME - (turned ? Math.ceil(0.72 * longest) + 12 : 18);

  const [low, high] = range(series, scale.includes);
  const ticks = scale.ticks?.filter((tick) => tick >= low && tick <= high) ?? evenTicks(low, high);
  const ends = [low, high, ...ticks].map(scale.to);
  const from = Math.min(...ends);
  const to = Math.max(...ends);
  const y = (value: number) =>
    floor - ((scale.to(value) - from) / (to - from || 1)) * (floor - TOP);
  return {
    width,
    height,
    left,
    right,
    top: TOP,
    floor,
    ticks: ticks.map((value) => ({ value, text: brief(value), y: y(value) })),
    names,
    every: everyFitting(turned ? LINE : longest + 6, step),
    turned,
    step,
    x: (index) => left + (index + 0.5) * step,
    y,
  };
}

/** The point nearest to a place along the axis. */
export function nearest(x: number, layout: ChartLayout): number {
  const index = Math.floor((x - layout.left) / layout.step);
  return Math.max(0, Math.min(layout.names.length - 1, index));
}

/** A line through the points that have a value: a gap stays a gap. */
export function linePath(values: ChartSeries["values"], layout: ChartLayout): string {
  return stretches(values, (i) => Number.isFinite(valueAt(values, i)))
    .map((at) => `M${at.map((i) => place(layout, i, valueAt(values, i))).join("L")}h0`)
    .join("");
}

/** What lies within one standard error of a line; "" where none is known. */
export function bandPath({ values, band }: ChartSeries, layout: ChartLayout): string {
  if (!band) return "";
  const edge = (i: number, side: number) => valueAt(values, i) + side * valueAt(band, i);
  const corner = (side: number) => (i: number) => place(layout, i, edge(i, side));
  return stretches(values, (i) => Number.isFinite(edge(i, 1)))
    .map((at) => `M${[...at.map(corner(1)), ...at.reverse().map(corner(-1))].join("L")}Z`)
    .join("");
}

function place(layout: ChartLayout, index: number, value: number): string {
  return `${layout.x(index).toFixed(2)},${layout.y(value).toFixed(2)}`;
}

function stretches(values: ArrayLike<unknown>, known: (index: number) => boolean): number[][] {
  const found: number[][] = [];
  for (let i = 0; i < values.length; i++) {
    if (!known(i)) continue;
    if (i > 0 && known(i - 1)) found.at(-1)?.push(i);
    else found.push([i]);
  }
  return found;
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

/** The least and the largest value with its band. */
function range(series: readonly ChartSeries[], includes: readonly number[]): [number, number] {
  let low = Math.min(...includes);
  let high = Math.max(...includes);
  for (const { values, band } of series) {
    for (let i = 0; i < values.length; i++) {
      const value = valueAt(values, i);
      const spread = band ? valueAt(band, i) || 0 : 0;
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value - spread);
      high = Math.max(high, value + spread);
    }
  }
  return low === high ? [low, low + 1] : [low, high];
}

/** Three to six round numbers that reach just past both ends. */
export function evenTicks(low: number, high: number): number[] {
  const step = niceCeil((high - low) / 5);
  const ticks: number[] = [];
  for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}
