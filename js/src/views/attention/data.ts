import { useMemo } from "preact/hooks";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import * as ask from "../../generated/attention";
import { type Kind, patternArgs } from "./kind";
import type { Zoom } from "./layout";
import { usePart } from "./part";
import { type Picture, pictureOf, type Sheet } from "./picture";
import { squareRange } from "./range";

/** Stands for an exact pattern that nobody asked for. */
export const NO_REPLY = { data: null, args: null };

/**
 * Asks for a head's exact pattern and answers with the best that is known of it meanwhile. Of one that comes
 * rounded, the cells of `square` are asked for exactly.
 */
export function usePicture(
  view: ViewHandle,
  slot: string,
  head: HeadRef | null,
  prompt: number,
  wanted: Kind,
  shown: Kind,
  sheet: Sheet | null,
  square: Zoom | null,
): Picture | null {
  const question = head && patternArgs(prompt, wanted, head);
  const { data, args, stale } = useAnswer(view, ask.pattern, question, { slot });
  const range = sheet && square && squareRange(square);
  const cells = usePart(view, `${slot} part`, head, sheet?.tokens.prompt ?? 0, wanted, range);
  const exact = stale ? null : cells;
  return useMemo(() => {
    const picture = head && pictureOf(head, shown, sheet, { data, args });
    if (!picture || !square || !exact) return picture;
    const values = { shape: [square.span, square.span], data: exact };
    return { ...picture, part: { ...square, values, pool: 1 } };
  }, [head?.layer, head?.head, shown, sheet, data, args, square, exact]);
}
