import { useMemo } from "preact/hooks";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import * as ask from "../../generated/attention";
import type { Kind } from "./kind";
import { type Picture, pictureOf, type Sheet } from "./picture";

/** Stands for an exact pattern that nobody asked for. */
export const NO_REPLY = { data: null, args: null };

/** What is asked of one pattern, as it is wanted. */
export function patternArgs(prompt: number, { which, mode, average }: Kind, head: HeadRef) {
  return {
    prompt,
    show: which,
    layer: head.layer,
    head: head.head,
    attention_mode: mode,
    head_average: average,
  };
}

/** Asks for a head's exact pattern and answers with the best that is known of it meanwhile. */
export function usePicture(
  view: ViewHandle,
  slot: string,
  head: HeadRef | null,
  prompt: number,
  wanted: Kind,
  shown: Kind,
  sheet: Sheet | null,
): Picture | null {
  const question = head && patternArgs(prompt, wanted, head);
  const { data, args } = useAnswer(view, ask.pattern, question, { slot });
  return useMemo(
    () => head && pictureOf(head, shown, sheet, { data, args }),
    [head?.layer, head?.head, shown, sheet, data, args],
  );
}
