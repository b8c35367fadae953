import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import type { PatchCell } from "../../generated/protocol";
import { cellKey } from "./layout";

export interface Kept {
  /** Keys of the cells whose patches are in force, as clicked, granted by the kernel or not yet. */
  readonly keys: ReadonlySignal<ReadonlySet<string>>;
  /** Keeps the cells' patches, or takes them away when all of them are kept. */
  toggle(cells: readonly PatchCell[]): void;
}

/** The cells that are kept as interventions. A click shows in this frame and holds until the kernel answers. */
export function useKept(view: ViewHandle): Kept {
  const { state } = view.session;
  const wished = useSignal<ReadonlyMap<string, boolean>>(new Map());
  const keys = useComputed(() => {
    const found = new Set<string>();
    for (const { enabled, cell } of state.value.interventions) {
      if (enabled && cell) found.add(cellKey(cell));
    }
    for (const [key, on] of wished.value) {
      if (on) found.add(key);
      else found.delete(key);
    }
    return found;
  });
  const { revision } = state.value;
  useLayoutEffect(() => {
    wished.value = new Map();
  }, [revision, wished]);
  return {
    keys,
    toggle(cells) {
      const on = !cells.every((cell) => keys.peek().has(cellKey(cell)));
      flush(() => {
        wished.value = new Map(cells.map((cell) => [cellKey(cell), on]));
      });
      void view.change("toggle_patches", { cells: [...cells] }).then((granted) => {
        if (!granted) flush(() => (wished.value = new Map()));
      });
    },
  };
}
