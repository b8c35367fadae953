import { useMemo } from "preact/hooks";
import type { Ramp } from "../../core/draw/canvas";
import { palette } from "../../core/draw/color";
import { niceCeil } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { maxAbs } from "../../core/state/arrays";
import type { HeadRef } from "../../core/state/session";
import { isSigned, type Kind } from "./kind";
import type { Picture, Sheet } from "./picture";

/** The colours of everything on show. */
export interface Scales {
  /** Of a thumbnail: one for all heads, unless BOS is left out. */
  head: (head: HeadRef) => Ramp;
  /** Of the large pictures, which share one. */
  plot: (...pictures: readonly (Picture | null)[]) => Ramp;
}

/**
 * Weights run from 0 to 1, everything else to a round number above the largest of all heads. With BOS
 * left out each head has its own scale: what remains is often a hundredth of what BOS has.
 */
export function useScales(kind: Kind, sheet: Sheet | null, skipBos: boolean): Scales {
  const { sequential, diverging } = palette(useTheme());
  const { which, mode, average } = kind;
  return useMemo(() => {
    const scale = isSigned({ which, mode }) ? diverging : sequential;
    const weights = which !== "difference" && mode === "pattern";
    const shared = { scale, hi: weights ? 1 : niceCeil(sheet ? maxAbs(sheet.patterns.data) : 0) };
    const top = (values: Float32Array) => (weights && !skipBos ? 1 : niceCeil(maxAbs(values)));
    const cache = new Map<string, Ramp>();
    const head = ({ layer, head: index }: HeadRef): Ramp => {
      if (!skipBos || !sheet) return shared;
      const key = `${layer} ${index}`;
      const known = cache.get(key) ?? { scale, hi: top(coloured(sheet.of(layer, index), skipBos)) };
      cache.set(key, known);
      return known;
    };
    const plot = (...pictures: readonly (Picture | null)[]): Ramp => {
      if (!skipBos && average === "none") return shared;
      const tops = pictures.map((picture) =>
        picture ? top(coloured(picture.values, skipBos)) : 0,
      );
      return { scale, hi: Math.max(...tops) || 1 };
    };
    return { head, plot };
  }, [which, mode, average, sheet, skipBos, sequential, diverging]);
}

/** The values that are given a colour: with BOS left out, its column has none. */
export function coloured(
  values: { shape: readonly number[]; data: Float32Array },
  skipBos: boolean,
): Float32Array {
  if (!skipBos) return values.data;
  const [n = 0] = values.shape;
  const out = values.data.slice();
  for (let query = 0; query < n; query++) out[query * n] = Number.NaN;
  return out;
}
