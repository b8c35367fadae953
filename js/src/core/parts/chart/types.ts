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

/** How values lie along the upward axis. */
export interface ValueScale {
  to: (value: number) => number;
  /** The values that get a line and a name; round ones when left out. */
  ticks?: readonly number[];
  /** Kept in sight whatever the values are. */
  includes: readonly number[];
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
  /** What each point is called: token texts, stages, or numbers as text. */
  points: readonly string[];
  axes: { x: string; y: string };
  units: string;
  series: readonly ChartSeries[];
  /** Bars from zero, for points that have no order: nothing lies between two parts of a model. */
  bars?: boolean;
  /** Default: even, with zero in sight. */
  scale?: ValueScale;
  ranges?: readonly ChartRange[];
  /** The point that is locked; marked with an accent line. */
  picked?: number | null;
  /** The numbers are those of before a change. */
  stale?: boolean;
  /** The value in words; default 3 digits with a true minus. */
  format?: (value: number) => string;
  /** A point's name in the readout; default its text. */
  pointName?: (index: number) => string;
  /** A click, or Enter at the cursor. */
  onPick?: (index: number) => void;
}
