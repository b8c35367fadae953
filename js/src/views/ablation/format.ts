// What the grid prints and how strongly it is coloured.

import { fixed, niceCeil } from "../../core/draw/format";
import { maxAbs } from "../../core/state/arrays";

/** The half-width of the scale around zero: a round number that holds every known value. */
export function gridScale(heads: Float32Array, mlps: Float32Array): number {
  return niceCeil(Math.max(maxAbs(heads), maxAbs(mlps)));
}

/** A short value for a small cell; what would print as zero is left blank, as its colour is too. */
export function cellText(value: number, scale: number): string {
  if (!Number.isFinite(value)) return "";
  const digits = scale >= 1 ? 1 : scale >= 0.1 ? 2 : 3;
  if (Number(Math.abs(value).toFixed(digits)) === 0) return "";
  const text = fixed(value, digits);
  return scale >= 1 ? text : text.replace(/^(\u2212?)0\./, "$1.");
}

/** Position on a scale from -1 to 1. */
export function share(value: number, scale: number): number {
  if (!Number.isFinite(value) || scale <= 0) return 0;
  return Math.max(-1, Math.min(1, value / scale));
}

/** "mean · all positions", without saying the kind twice when the detail names it already. */
export function interventionText(kind: string, detail: string): string {
  if (detail === "") return kind;
  return detail.startsWith(kind) ? detail : `${kind} · ${detail}`;
}
