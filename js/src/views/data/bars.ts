/** A histogram's bars, in words and in places. Pure. */

import { brief } from "../../core/draw/format";
import type { Dataset } from "../../core/state/dataset";
import type { Bars } from "../../generated/data";

/** More groups than there are colours for are drawn together. */
export const COLOURED = 7;

export interface Group {
  name: string;
  /** What it is called where it has no name. */
  label: string;
  n: number;
  mean: number;
  sem: number;
  /** The colour it takes; null for those that are drawn together. */
  color: number | null;
}

export interface Bar {
  low: number;
  high: number;
  total: number;
  /** By group, in the order of the groups. */
  counts: readonly number[];
}

export interface Histogram {
  bars: readonly Bar[];
  groups: readonly Group[];
  /** Of the tallest bar. */
  most: number;
  low: number;
  high: number;
}

export function histogramOf(data: Dataset<Bars>): Histogram {
  const names = data.texts("group");
  const [edges, counts] = [data.numbers("edge"), data.numbers("count")];
  const [n, mean, sem] = [data.numbers("n"), data.numbers("mean"), data.numbers("sem")];
  const width = edges.length - 1;
  const bars = Array.from({ length: width }, (_, bin) => {
    const own = names.map((_name, group) => counts[group * width + bin] ?? 0);
    const total = own.reduce((sum, one) => sum + one, 0);
    return { low: edges[bin] ?? 0, high: edges[bin + 1] ?? 0, total, counts: own };
  });
  const large = names
    .map((_name, at) => at)
    .sort((a, b) => (n[b] ?? 0) - (n[a] ?? 0))
    .slice(0, COLOURED)
    .sort((a, b) => a - b);
  const groups = names.map((name, at) => ({
    name,
    label: name || (names.length > 1 ? "no group" : "all records"),
    n: n[at] ?? 0,
    mean: mean[at] ?? Number.NaN,
    sem: sem[at] ?? Number.NaN,
    color: large.includes(at) ? large.indexOf(at) : null,
  }));
  return {
    bars,
    groups,
    most: Math.max(1, ...bars.map(({ total }) => total)),
    low: edges[0] ?? 0,
    high: edges[width] ?? 1,
  };
}

/** Where a value is along the axis, from 0 at the left end to 1 at the right one. */
export function shareOf(value: number, { low, high }: Histogram): number {
  return (value - low) / (high - low || 1);
}

export function rangeText({ low, high }: { low: number; high: number }): string {
  return `${brief(low)} to ${brief(high)}`;
}

/** "−0.2 to −0.1: 12 records, 7 ABBA, 5 BABA". */
export function barText(bar: Bar, groups: readonly Group[]): string {
  const parts = groups
    .map(({ label }, at) => ({ label, count: bar.counts[at] ?? 0 }))
    .filter(({ count }) => groups.length > 1 && count > 0)
    .map(({ label, count }) => `, ${whole(count)} ${label}`);
  const records = bar.total === 1 ? "record" : "records";
  return `${rangeText(bar)}: ${whole(bar.total)} ${records}${parts.join("")}`;
}

export function whole(count: number): string {
  return count.toLocaleString("en");
}

/** Ends and zero as places to write under the axis, zero only where it has room. */
export function ticksOf(histogram: Histogram): readonly { value: number; at: number }[] {
  const { low, high } = histogram;
  const zero = shareOf(0, histogram);
  const middle = zero > 0.12 && zero < 0.88 ? [{ value: 0, at: zero }] : [];
  return [{ value: low, at: 0 }, ...middle, { value: high, at: 1 }];
}

const WHOLE = 150;
const [START, END] = [80, 60];

/** A prompt for a row: whole, or the beginning and the end of it, where answers are read. */
export function shortened(text: string): string {
  const line = text.replaceAll("\r", "").replaceAll("\n", "↵").replaceAll("\t", "⇥");
  return line.length <= WHOLE ? line : `${line.slice(0, START)} … ${line.slice(-END)}`;
}
