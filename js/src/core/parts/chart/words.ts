/** What a chart says and how far its axis reaches. Pure. */

import { fixed } from "../../draw/format";
import type { ChartSeries, LineChartProps } from "./types";

export function valueAt(values: ArrayLike<number | null>, index: number): number {
  return values[index] ?? Number.NaN;
}

/** Smallest and largest value with its band; a little room above and below. */
export function extent(series: readonly ChartSeries[], zero: boolean): [number, number] {
  let lo = zero ? 0 : Number.POSITIVE_INFINITY;
  let hi = zero ? 0 : Number.NEGATIVE_INFINITY;
  for (const { values, band } of series) {
    for (let i = 0; i < values.length; i++) {
      const value = valueAt(values, i);
      if (!Number.isFinite(value)) continue;
      const spread = band ? valueAt(band, i) || 0 : 0;
      lo = Math.min(lo, value - spread);
      hi = Math.max(hi, value + spread);
    }
  }
  if (!(lo < hi)) return Number.isFinite(lo) ? [lo - 1, hi + 1] : [0, 1];
  const room = 0.06 * (hi - lo);
  return [zero && lo === 0 ? 0 : lo - room, zero && hi === 0 ? 0 : hi + room];
}

/** "3 ·Mary: current 1.204 ± 0.031 nats, baseline 0.811 nats". */
export function inWords(props: LineChartProps, index: number): string {
  const { points, series, units, format = threeDigits, pointName } = props;
  const parts = series.map(({ name, values, band }) => {
    const value = valueAt(values, index);
    if (Number.isNaN(value)) return `${name} –`;
    const spread = band ? valueAt(band, index) : Number.NaN;
    const range = Number.isNaN(spread) ? "" : ` ± ${format(spread)}`;
    return `${name} ${format(value)}${range} ${units}`.trim();
  });
  return `${pointName?.(index) ?? points[index] ?? index}: ${parts.join(", ")}`;
}

export const threeDigits = (value: number) => fixed(value, 3);

/** The line that is nearest to a value at a point; 0 when none has one there. */
export function nearestSeries(
  series: readonly ChartSeries[],
  index: number,
  value: number,
): number {
  let nearest = 0;
  let least = Number.POSITIVE_INFINITY;
  series.forEach(({ values }, at) => {
    const distance = Math.abs(valueAt(values, index) - value);
    if (distance < least) {
      nearest = at;
      least = distance;
    }
  });
  return nearest;
}

/** Where a key moves the cursor; null when the key does not move it. */
export function moveCursor(key: string, at: number | null, count: number): number | null {
  const last = count - 1;
  switch (key) {
    case "ArrowLeft":
      return Math.max(0, (at ?? count) - 1);
    case "ArrowRight":
      return Math.min(last, (at ?? -1) + 1);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}
