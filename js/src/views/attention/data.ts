import { useMemo } from "preact/hooks";
import { decode, maxAbs } from "../../core/arrays";
import type { Ramp } from "../../core/canvas";
import { palette } from "../../core/color";
import { niceCeil } from "../../core/format";
import type { ViewHandle } from "../../core/handle";
import { useResource } from "../../core/resource";
import type { HeadRef } from "../../core/session";
import { useTheme } from "../../core/theme";
import type { Options, TokenInfo } from "../../generated/protocol";
import { type Picture, pictureOf, type Sheet } from "./picture";

/** Stands for an exact pattern that nobody asked for. */
export const NO_REPLY = {
  resource: {
    result: null,
    buffers: [],
    args: null,
    seq: 0,
    stale: false,
    partial: false,
    error: null,
  },
  values: null,
};

/** Asks for a head's exact pattern and answers with the best that is known of it meanwhile. */
export function usePicture(
  view: ViewHandle,
  slot: string,
  head: HeadRef | null,
  prompt: number,
  which: Options["show"],
  sheet: Sheet | null,
): Picture | null {
  const args = head && { prompt, which, ...head };
  const resource = useResource(view, slot, "pattern", args);
  const { result, buffers } = resource;
  const values = useMemo(() => result && decode(result.pattern, buffers), [result, buffers]);
  // `resource` is a new object at every rendering; `result` and `args` stand for what it holds.
  return useMemo(
    () => head && pictureOf(head, prompt, which, sheet, { resource, values }),
    [head?.layer, head?.head, prompt, which, sheet, result, values],
  );
}

export function useTexts(tokens: readonly TokenInfo[]): readonly string[] {
  return useMemo(() => tokens.map(({ text }) => text), [tokens]);
}

/** Weights run from 0 to 1; differences get one symmetric scale for all heads. */
export function useRamp(which: Options["show"], sheet: Sheet | null): Ramp {
  const theme = useTheme();
  const { sequential, diverging } = palette(theme);
  return useMemo(() => {
    if (which !== "difference") return { scale: sequential, hi: 1 };
    return { scale: diverging, hi: sheet ? niceCeil(maxAbs(sheet.patterns.data)) : 1 };
  }, [which, sheet, sequential, diverging]);
}
