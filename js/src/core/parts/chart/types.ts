/** One line of a chart. `values` and `band` have one entry a point; NaN or null leaves a gap. */
export interface ChartSeries {
  name: string;
  values: ArrayLike<number | null>;
  /** Standard error, drawn as a band of that much above and below. */
  band?: ArrayLike<number | null>;
  /** Dashed and quiet: what the others are compared with. */
  baseline?: boolean;
  /** A CSS colour; by default the lines take turns in colours that can be told apart. */
  color?: string;
}

/** A shaded stretch of points, both ends included. */
export interface ChartRange {
  from: number;
  to: number;
  label: string;
}

/** Arrays are compared by identity: keep them (useMemo), or every rendering draws anew. */
export interface LineChartProps {
  /** The chart's accessible name: "loss by position". */
  label: string;
  /** What each point is called: token texts, layer names, or numbers as text. */
  points: readonly string[];
  axes: { x: string; y: string };
  units: string;
  series: readonly ChartSeries[];
  ranges?: readonly ChartRange[];
  /** The point that is locked; marked with an accent line. */
  picked?: number | null;
  /** CSS pixels; default 220. */
  height?: number;
  /** Zero always on the value axis. Default true. */
  zero?: boolean;
  /** The value in words; default 3 digits with a true minus. */
  format?: (value: number) => string;
  /** A point's name in the readout; default its text. */
  pointName?: (index: number) => string;
  onHover?: (index: number | null) => void;
  /** A click, or Enter at the cursor; `series` is the line nearest to the pointer. */
  onPick?: (index: number, series: number) => void;
}
