import { useMemo } from "preact/hooks";
import type { Ramp } from "../../core/draw/canvas";
import { palette } from "../../core/draw/color";
import { niceCeil } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { maxAbs } from "../../core/state/arrays";
import type { HeadRef } from "../../core/state/session";
import type { OPTIONS } from "../../generated/attention";
import { isSigned, type Kind, type ValueOf } from "./kind";
import type { Zoom } from "./layout";
import type { Picture, Sheet, Tile } from "./picture";
import { isInside } from "./range";

/** How weights are given colours; `auto` is what prompts of many tokens begin with. */
export type ScaleKind = NonNullable<ValueOf<typeof OPTIONS.pattern_scale>>;

/** From so many tokens on a weight is about a hundredth, which is no colour from 0 to 1. */
const AUTO_FROM = 100;

export function scaleKind(
  chosen: ValueOf<typeof OPTIONS.pattern_scale>,
  tokens: number,
): ScaleKind {
  return chosen ?? (tokens >= AUTO_FROM ? "auto" : "fixed");
}

/** The colours of everything on show. */
export interface Scales {
  /** Of a thumbnail: one for all heads, unless BOS is left out or each has its own. */
  head: (head: HeadRef) => Ramp;
  /** Of the large pictures, which share one; of the part of them that is on show. */
  plot: (zoom: Zoom | null, ...pictures: readonly (Picture | null)[]) => Ramp;
}

/**
 * By default weights run from 0 to 1, everything else to a round number above the largest of all heads.
 * With BOS left out each head has its own scale: what remains is often a hundredth of what BOS has.
 * `auto` ends where each picture's own weights are strong.
 */
export function useScales(
  kind: Kind,
  sheet: Sheet | null,
  skipBos: boolean,
  by: ScaleKind,
): Scales {
  const { sequential, diverging } = palette(useTheme());
  const { which, mode, average } = kind;
  return useMemo(() => {
    const scale = isSigned({ which, mode }) ? diverging : sequential;
    const weights = which !== "difference" && mode === "pattern";
    const end = weights ? 1 : niceCeil(sheet ? maxAbs(sheet.patterns.data) : 0);
    const of = (hi: number): Ramp => (by === "root" ? { scale, hi, root: true } : { scale, hi });
    const shared = of(end);
    const auto = by === "auto";
    const top = (values: Float32Array) => (weights && !skipBos ? 1 : niceCeil(maxAbs(values)));
    const ownTop = (tile: Omit<Tile, "span">, zoom: Zoom | null) =>
      auto ? niceCeil(strongEnd(tile, zoom)) : top(coloured(tile, skipBos));
    const cache = new Map<string, Ramp>();
    const head = ({ layer, head: index }: HeadRef): Ramp => {
      if (!(skipBos || auto) || !sheet) return shared;
      const key = `${layer} ${index}`;
      const tile = { values: sheet.of(layer, index), pool: sheet.pool, q0: 0, k0: 0 };
      const known = cache.get(key) ?? of(ownTop(tile, null));
      cache.set(key, known);
      return known;
    };
    const plot = (zoom: Zoom | null, ...pictures: readonly (Picture | null)[]): Ramp => {
      if (!(skipBos || auto) && average === "none") return shared;
      const tops = pictures.map((picture) => {
        const part = isInside(zoom, picture?.part ?? null) ? picture?.part : null;
        return picture ? ownTop(part ?? picture, zoom) : 0;
      });
      return of(Math.max(...tops) || 1);
    };
    return { head, plot };
  }, [which, mode, average, sheet, skipBos, by, sequential, diverging]);
}

/** Of the rows on show, so many have a cell at the end of an automatic scale, or beyond it. */
const STRONG_ROWS = 0.25;

/**
 * Where a scale must end for the strong cells on show to have strong colours: the upper quartile of the
 * largest magnitudes of each row. The first key is left out where there are others: most heads put most of
 * their attention there, and beside that nothing else would be seen.
 */
export function strongEnd(tile: Omit<Tile, "span">, zoom: Zoom | null): number {
  const { values, pool } = tile;
  const { shape, data } = values;
  const [n = 0] = shape;
  const span = zoom?.span ?? n * pool;
  const range = (start: number) =>
    [Math.floor(start / pool), Math.ceil((start + span) / pool)].map((at) =>
      Math.max(0, Math.min(n, at)),
    );
  const [q0 = 0, q1 = 0] = range((zoom?.q0 ?? 0) - tile.q0);
  const [k0 = 0, k1 = 0] = range((zoom?.k0 ?? 0) - tile.k0);
  const tops: number[] = [];
  for (let query = q0; query < q1; query++) {
    let top = -1;
    for (let key = Math.max(1 - tile.k0, k0); key < k1; key++) {
      const size = Math.abs(data[query * n + key] ?? Number.NaN);
      if (size > top) top = size;
    }
    if (top >= 0) tops.push(top);
  }
  tops.sort((a, b) => b - a);
  return tops[Math.floor(tops.length * STRONG_ROWS)] ?? maxAbs(data);
}

/** The values that are given a colour: with BOS left out, its column has none. */
export function coloured(
  { values, k0 }: Pick<Tile, "values" | "k0">,
  skipBos: boolean,
): Float32Array {
  if (!skipBos || k0 > 0) return values.data;
  const [n = 0] = values.shape;
  const out = values.data.slice();
  for (let query = 0; query < n; query++) out[query * n] = Number.NaN;
  return out;
}
