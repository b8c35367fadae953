const MINUS = "\u2212";
const NONE = "–";

/** Fixed digits with a true minus; never "−0.00"; an en dash for what is unknown. */
export function fixed(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** A change: as `fixed`, with a plus sign where it grows. */
export function signed(value: number | null | undefined, digits = 2): string {
  const text = fixed(value, digits);
  return value && value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** An attention weight or a probability. */
export function weight(value: number | null | undefined): string {
  return fixed(value, 4);
}

/** A scale's end: 1, 0.05, 6, without needless zeros. */
export function brief(value: number): string {
  const text = String(Number(Math.abs(value).toPrecision(3)));
  return value < 0 ? MINUS + text : text;
}

export function percent(value: number | null | undefined, digits = 1): string {
  const text = fixed(value === null || value === undefined ? value : 100 * value, digits);
  return text === NONE ? NONE : `${text} %`;
}

/** A token in words: “·Mary”. */
export function quote(token: string): string {
  return `“${token}”`;
}

/** The difference of two numbers of which either may be unknown. */
export function change(
  baseline: number | null | undefined,
  current: number | null | undefined,
): number | null {
  if (baseline === null || baseline === undefined) return null;
  if (current === null || current === undefined) return null;
  return current - baseline;
}

export function headLabel(layer: number, head: number): string {
  return `L${layer}H${head}`;
}

/** Layer and head of "L1H4"; null for any other component. */
export function parseHead(label: string): { layer: number; head: number } | null {
  const match = /^L(\d+)H(\d+)$/.exec(label);
  return match ? { layer: Number(match[1]), head: Number(match[2]) } : null;
}

/** The smallest of 1, 2, 5 times a power of ten that is at least `value`: an end for a colour bar. */
export function niceCeil(value: number): number {
  if (!(value > 0) || !Number.isFinite(value)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 5, 10]) {
    const end = step * power;
    if (end >= value * (1 - 1e-9)) return Number(end.toPrecision(1));
  }
  return 10 * power;
}
