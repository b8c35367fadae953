// What was clicked and not yet granted, one store a session: a click in the table flips the cell of
// the grid and strikes the thumbnail through in the same frame.

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import type { InterventionInfo } from "../../generated/protocol";
import { flush } from "./flush";
import { ablatedComponents, type Pending, project, settle, type Wish } from "./optimistic";

/** The part of a session that the store needs. */
export interface Source {
  readonly state: ReadonlySignal<{ readonly interventions: readonly InterventionInfo[] }>;
  /** Whether the kernel still owes an answer or the state that goes with it. */
  readonly changing: ReadonlySignal<boolean>;
}

export interface Wishes {
  /** The list as the person sees it. */
  readonly interventions: ReadonlySignal<readonly InterventionInfo[]>;
  readonly ablated: ReadonlySignal<ReadonlySet<string>>;
  /** Shows the wish at once, and takes it back when `send` resolves to false. */
  wish(wish: Wish, send: () => Promise<boolean>): Promise<void>;
}

export function createWishes(source: Source): Wishes {
  const pending = signal<readonly Pending[]>([]);
  let count = 0;
  // Lives as long as its session: the two are held by nothing but each other.
  effect(() => {
    pending.value = settle(pending.value, source.changing.value);
  });
  const interventions = computed(() => project(source.state.value.interventions, pending.value));
  const ablated = computed(() => ablatedComponents(interventions.value));

  const update = (id: number, done: boolean) =>
    flush(() => {
      pending.value = done
        ? pending.peek().map((item) => (item.id === id ? { ...item, answered: true } : item))
        : pending.peek().filter((item) => item.id !== id);
    });

  return {
    interventions,
    ablated,
    async wish(wish, send) {
      const id = ++count;
      const answer = flush(() => {
        pending.value = [...pending.peek(), { id, wish, answered: false }];
        return send();
      });
      update(id, await answer);
    },
  };
}
