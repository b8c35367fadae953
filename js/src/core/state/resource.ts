import { useLayoutEffect, useMemo } from "preact/hooks";
import type { ErrorInfo } from "../../generated/messages";
import type { AnswerType, Question } from "../../wire/question";
import type { Dataset } from "./dataset";
import type { ViewHandle } from "./handle";
import { Slot, type SlotOptions } from "./slot";

/** The last good answer (null before the first), kept while a newer one is computed. */
export interface Answered<Args extends object, A extends AnswerType> {
  data: Dataset<A> | null;
  /** The arguments that `data` answers; compare with the wanted ones where it matters. */
  args: Args | null;
  seq: number;
  /** The session's revision that `data` belongs to; -1 for a snapshot's. */
  revision: number;
  /** True while what is shown answers an older question than the one asked. */
  stale: boolean;
  /** True while only part of the answer is known. */
  partial: boolean;
  error: ErrorInfo | null;
}

/**
 * Asks a question and keeps asking it when the arguments (by value) or the session's revision change.
 * The newest question wins; null asks nothing. Draw in this component or its children: after they are
 * painted, the number of the reply appears as `data-lw-seq` on the view's root.
 */
export function useAnswer<Args extends object, A extends AnswerType>(
  view: ViewHandle,
  question: Question<Args, A>,
  args: Args | null,
  options: SlotOptions & { slot?: string } = {},
): Answered<Args, A> {
  const name = options.slot ?? question.method.slice(question.method.indexOf("/") + 1);
  const { on = "revision", quiet = false, sweep = false, kept = true } = options;
  const slot = useMemo(
    () => new Slot(view, name, question, { on, quiet, sweep, kept }),
    [view, name, question, on, quiet, sweep, kept],
  );
  const { session } = view;
  const revision =
    slot.on === "prompts" ? session.state.value.prompts_revision : session.revision.value;
  const loaded = slot.loaded.value;
  // Read here, so that the question is put again when somebody can answer.
  void session.connected.value;
  if (sweep) void view.near.value;

  useLayoutEffect(() => {
    const detach = view.attachSlot(slot);
    return () => {
      slot.close();
      detach();
    };
  }, [view, slot]);
  useLayoutEffect(() => slot.want(args, revision));
  useLayoutEffect(() => {
    if (loaded) slot.painted(loaded);
  }, [slot, loaded]);

  const fresh =
    loaded !== null &&
    loaded.revision >= revision &&
    JSON.stringify(loaded.args) === JSON.stringify(args);
  return {
    data: loaded?.data ?? null,
    args: loaded?.args ?? null,
    seq: loaded?.seq ?? 0,
    revision: loaded?.revision ?? -1,
    stale: args !== null && !fresh,
    partial: loaded?.partial ?? false,
    error: slot.error.value,
  };
}
