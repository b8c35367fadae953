/** Geometry of a line chart, in CSS pixels. Pure. */

import { brief, niceCeil } from "../../core/draw/format";

/** How values lie along the upward axis. */
export interface Axis {
  to: (value: number) => number;
  /** The values that get a line and a name; of the range of what is drawn when left out. */
  ticks?: readonly number[];
  /** Kept in sight whatever the values are. */
  includes: readonly number[];
}

export interface ChartLayout {
  width: number;
  left: number;
  right: number;
  top: number;
  floor: number;
  ticks: readonly { value: number; text: string; y: number }[];
  /** Every how many names one is written. */
  every: number;
  x: (index: number) => number;
  y: (place: number) => number;
}

const LEFT = 52;
const BOTTOM = 60;
const TOP = 8;
const NAME_PX = 15;

interface Drawn {
  values: ArrayLike<number>;
  errors?: ArrayLike<number>;
}

export function chartLayout(
  names: readonly string[],
  series: readonly Drawn[],
  axis: Axis,
  width: number,
  height: number,
): ChartLayout {
  const [low, high] = range(series, axis.includes);
  const ticks = axis.ticks?.filter((tick) => tick >= low && tick <= high) ?? evenTicks(low, high);
  const ends = [low, high, ...ticks].map(axis.to);
  const from = Math.min(...ends);
  const to = Math.max(...ends);
  const [left, right, floor] = [LEFT, width - 12, height - BOTTOM];
  const step = names.length > 1 ? (right - left) / (names.length - 1) : 0;
  const y = (place: number) => floor - ((place - from) / (to - from || 1)) * (floor - TOP);
  return {
    width,
    left,
    right,
    top: TOP,
    floor,
    ticks: ticks.map((value) => ({ value, text: brief(value), y: y(axis.to(value)) })),
    every: Math.max(1, Math.ceil(NAME_PX / (step || NAME_PX))),
    x: (index) => left + index * step,
    y,
  };
}

/** The name nearest to a place along the axis. */
export function nearest(x: number, layout: ChartLayout, count: number): number {
  const step = count > 1 ? (layout.right - layout.left) / (count - 1) : 1;
  return Math.max(0, Math.min(count - 1, Math.round((x - layout.left) / step)));
}

function range(series: readonly Drawn[], includes: readonly number[]): [number, number] {
  let low = Math.min(...includes);
  let high = Math.max(...includes);
  for (const { values, errors } of series) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? Number.NaN;
      const error = errors?.[i] ?? 0;
      const margin = Number.isFinite(error) ? error : 0;
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value - margin);
      high = Math.max(high, value + margin);
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
