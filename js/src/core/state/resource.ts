import { useLayoutEffect, useMemo } from "preact/hooks";
import type { ErrorInfo, Methods } from "../../generated/protocol";
import type { ViewHandle } from "./handle";
import type { Method } from "./rpc";
import { Slot, type SlotOptions } from "./slot";

/** The last good result (null before the first), kept while a newer one is computed. */
export interface Resource<M extends Method> {
  result: Methods[M]["result"] | null;
  buffers: DataView[];
  /** The arguments that `result` answers; compare with the wanted ones where it matters. */
  args: Methods[M]["args"] | null;
  seq: number;
  /** True while what is shown answers an older question than the one asked. */
  stale: boolean;
  /** True while only part of the result is known. */
  partial: boolean;
  error: ErrorInfo | null;
}

/**
 * Asks the kernel and keeps asking when the arguments (by value) or the session's revision change.
 * The newest question wins. Draw in this component or its children: after they are painted, the
 * number of the reply appears as `data-lw-seq` on the view's root.
 */
export function useResource<M extends Method>(
  view: ViewHandle,
  name: string,
  method: M,
  args: Methods[M]["args"] | null,
  options: SlotOptions = {},
): Resource<M> {
  const { on, quiet } = options;
  const slot = useMemo(
    () => new Slot(view, name, method, { on: on ?? "revision", quiet: quiet ?? false }),
    [view, name, method, on, quiet],
  );
  const { session } = view;
  const revision =
    slot.on === "prompts" ? session.state.value.prompts_revision : session.revision.value;
  const loaded = slot.data.value;
  // Read here, so that the question is put again when somebody can answer.
  void session.connected.value;

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
    result: loaded?.result ?? null,
    buffers: loaded?.buffers ?? NO_BUFFERS,
    args: loaded?.args ?? null,
    seq: loaded?.seq ?? 0,
    stale: args !== null && !fresh,
    partial: loaded?.partial ?? false,
    error: slot.error.value,
  };
}

const NO_BUFFERS: DataView[] = [];
