/** What a chart says. Pure. */

import { fixed } from "../../draw/format";
import type { ChartSeries, LineChartProps } from "./types";

export function valueAt(values: ArrayLike<number | null>, index: number): number {
  return values[index] ?? Number.NaN;
}

/** NaN where no standard error is known. */
export function spreadAt({ band }: ChartSeries, index: number): number {
  return band ? valueAt(band, index) : Number.NaN;
}

export function hasSpread(series: ChartSeries): boolean {
  return Array.from(series.values).some((_, i) => Number.isFinite(spreadAt(series, i)));
}

/** "3 ·Mary: current 1.204 ± 0.031 nats, baseline 0.811 nats". */
export function inWords(props: LineChartProps, index: number): string {
  const { series, units } = props;
  const parts = series.map((one) => {
    const { value, spread } = said(props, one, index);
    const numbers = [value, ...(spread === "" ? [] : [`± ${spread}`]), units];
    return [one.name, ...(value === UNKNOWN ? [value] : numbers)].join(" ").trim();
  });
  return `${nameOf(props, index)}: ${parts.join(", ")}`;
}

export const UNKNOWN = "–";

/** A line's value at a point and its standard error, "" where none is known. */
export function said(
  { format = threeDigits }: LineChartProps,
  series: ChartSeries,
  index: number,
): { value: string; spread: string } {
  const value = valueAt(series.values, index);
  const spread = spreadAt(series, index);
  return {
    value: Number.isNaN(value) ? UNKNOWN : format(value),
    spread: Number.isFinite(spread) ? format(spread).replace("+", "") : "",
  };
}

export function nameOf({ points, pointName }: LineChartProps, index: number): string {
  return pointName?.(index) ?? points[index] ?? String(index);
}

const threeDigits = (value: number) => fixed(value, 3);

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
