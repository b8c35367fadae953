import { useMemo, useRef } from "preact/hooks";
import type { Ramp } from "../../draw/canvas";
import { palette } from "../../draw/color";
import { niceCeil } from "../../draw/format";
import { useTheme } from "../../draw/theme";
import { maxAbs } from "../../state/arrays";

export interface RampOptions {
  /** Diverging around zero for signed effects; "loss" is orange. */
  scale: "sequential" | "diverging" | "loss";
  /** A fixed upper end, as 1 for probabilities; else a round number above the largest magnitude. */
  hi?: number;
  /** What has the colour of zero; 0 if not given. Only with `hi`, which counts from there. */
  center?: number;
  flipped?: boolean;
  /** While more values are to come, the last complete scale is not narrowed. */
  partial?: boolean;
  /** A different question starts a scale of its own: what the values are of. */
  of?: string;
}

/**
 * One scale for all arrays that are shown side by side. Keep `arrays`' members (useMemo): they are
 * compared by identity.
 */
export function useRamp(arrays: readonly (Float32Array | null)[], options: RampOptions): Ramp {
  const { scale: kind, hi, center = 0, flipped = false, partial = false, of = "" } = options;
  const scale = palette(useTheme())[kind];
  const last = useRef({ of, hi: 0 });
  const known = useMemo(() => {
    if (hi !== undefined) return hi;
    const largest = Math.max(0, ...arrays.map((array) => (array ? maxAbs(array) : 0)));
    const before = last.current.of === of && partial ? last.current.hi : 0;
    return Math.max(niceCeil(largest), before);
  }, [hi, partial, of, arrays.length, ...arrays]);
  last.current = { of, hi: known };
  return useMemo(() => ({ scale, hi: known, center, flipped }), [scale, known, center, flipped]);
}
