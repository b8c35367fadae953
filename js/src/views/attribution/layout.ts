// Geometry of the attribution table: bars on one scale.

import type { AttributionRow } from "./rows";

export interface Scale {
  /** Most negative and most positive value on the scale; zero is always inside. */
  lo: number;
  hi: number;
}

const STEPS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** A round number just above, so that the scale stands still while values move a little. */
function roundUp(value: number): number {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = STEPS.find((item) => item * power >= value * (1 - 1e-9)) ?? 10;
  return Number((step * power).toPrecision(2));
}

/** One scale for all rows, before and after, so that bars can be compared with each other. */
export function barScale(
  rows: readonly Pick<AttributionRow, "baseline" | "current" | "current_sem">[],
): Scale {
  let lo = 0;
  let hi = 0;
  for (const { baseline, current, current_sem } of rows) {
    const error = current_sem ?? 0;
    for (const [value, around] of [
      [baseline, 0],
      [current, error],
    ] as const) {
      if (value === null || !Number.isFinite(value)) continue;
      lo = Math.min(lo, value - around);
      hi = Math.max(hi, value + around);
    }
  }
  return { lo: 0 - roundUp(-lo), hi: roundUp(hi) };
}

/** Digits that tell the values on the scale apart; the same for every row, so that points align. */
export function digitsFor(...values: readonly (number | null)[]): number {
  const largest = Math.max(0, ...values.map((value) => Math.abs(value ?? 0)));
  if (largest >= 1 || largest === 0) return 2;
  return largest >= 0.1 ? 3 : 4;
}

export interface Bar {
  left: number;
  width: number;
}

/** Where zero is, as a percentage of the cell. */
export function zeroAt(scale: Scale): number {
  const span = scale.hi - scale.lo;
  return span > 0 ? (-scale.lo / span) * 100 : 50;
}

/** A bar from the zero line, in per cent of the cell. */
export function bar(value: number | null, scale: Scale): Bar {
  const span = scale.hi - scale.lo;
  const zero = zeroAt(scale);
  if (value === null || !Number.isFinite(value) || span <= 0) return { left: zero, width: 0 };
  const width = (Math.abs(value) / span) * 100;
  return { left: value < 0 ? zero - width : zero, width };
}

/** A standard error around a value, in per cent of the cell; null where there is none to draw. */
export function whisker(value: number | null, sem: number | null, scale: Scale): Bar | null {
  const span = scale.hi - scale.lo;
  if (value === null || sem === null || !(sem > 0) || span <= 0) return null;
  return { left: ((value - sem - scale.lo) / span) * 100, width: ((2 * sem) / span) * 100 };
}
