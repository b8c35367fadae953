import { useMemo } from "preact/hooks";
import { decode } from "../../core/state/arrays";
import type { ViewHandle } from "../../core/state/handle";
import { useResource } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import type { TokenInfo } from "../../generated/protocol";
import type { Kind } from "./kind";
import { type Picture, pictureOf, type Sheet } from "./picture";

/** Stands for an exact pattern that nobody asked for. */
export const NO_REPLY = {
  resource: {
    result: null,
    buffers: [],
    args: null,
    seq: 0,
    revision: -1,
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
  wanted: Kind,
  shown: Kind,
  sheet: Sheet | null,
): Picture | null {
  const { which, mode, average } = wanted;
  const question = { prompt, which, attention_mode: mode, head_average: average };
  const args = head && { ...question, layer: head.layer, head: head.head };
  const resource = useResource(view, slot, "pattern", args);
  const { result, buffers } = resource;
  const values = useMemo(() => result && decode(result.pattern, buffers), [result, buffers]);
  // `resource` is a new object at every rendering; `result` and `args` stand for what it holds.
  return useMemo(
    () => head && pictureOf(head, prompt, shown, sheet, { resource, values }),
    [head?.layer, head?.head, prompt, shown, sheet, result, values],
  );
}

export function useTexts(tokens: readonly TokenInfo[]): readonly string[] {
  return useMemo(() => tokens.map(({ text }) => text), [tokens]);
}
