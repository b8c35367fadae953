// The changes that a page has asked for and that are not granted yet, one store a session: a click in
// the table flips the cell of the grid and strikes the thumbnail through in the same frame. Every change
// goes through here, so that quick ones of different kinds neither forget nor undo each other.

import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { SessionState } from "../../generated/messages";
import {
  clear,
  editPrompt,
  redo,
  remove,
  setAblated,
  setCut,
  setEnabled,
  setPatched,
  undo,
} from "../../generated/session";
import { flush } from "./flush";
import {
  ablatedComponents,
  type Change,
  type InterventionList,
  keptCells,
  type PendingChange,
  sameInterventions,
  withPending,
} from "./interventions";
import type { ChangesSession } from "./view_state";

/** The part of a session that the store needs. */
export interface ChangeSource {
  readonly state: ReadonlySignal<
    Readonly<Pick<SessionState, "undoes" | "redoes">> & {
      readonly interventions: InterventionList;
    }
  >;
  /** Whether the kernel still owes an answer or the state that goes with it. */
  readonly changing: ReadonlySignal<boolean>;
}

/** A change that this page made, for undo and redo to show what they lead to. */
interface Step {
  before: InterventionList;
  after: InterventionList;
}

const MAX_STEPS = 100;

export class Changes {
  /** The list as the person sees it, granted by the kernel or not yet. */
  readonly interventions: ReadonlySignal<InterventionList>;
  readonly ablated: ReadonlySignal<ReadonlySet<string>>;
  /** Keys of the cells of patching maps that are kept as patches. */
  readonly keptCells: ReadonlySignal<ReadonlySet<string>>;
  /** What a step back would take back, in words; "" where that is not known yet, null without one. */
  readonly undoes: ReadonlySignal<string | null>;
  readonly redoes: ReadonlySignal<string | null>;

  readonly #pending: Signal<readonly PendingChange[]> = signal([]);
  #count = 0;
  #done: Step[] = [];
  #undone: Step[] = [];

  constructor({ state, changing }: ChangeSource) {
    // Lives as long as its session: the two are held by nothing but each other.
    effect(() => {
      this.#pending.value = settled(this.#pending.value, changing.value);
    });
    const shown = computed(() => {
      const { interventions, undoes, redoes } = state.value;
      return withPending({ list: interventions, undoes, redoes }, this.#pending.value);
    });
    this.interventions = computed(() => shown.value.list);
    this.undoes = computed(() => shown.value.undoes);
    this.redoes = computed(() => shown.value.redoes);
    this.ablated = computed(() => ablatedComponents(this.interventions.value));
    this.keptCells = computed(() => keptCells(this.interventions.value));
  }

  /** Shows the change at once, asks for it through `view`, and takes it back when it is refused. */
  async make(view: ChangesSession, change: Change): Promise<boolean> {
    const id = ++this.#count;
    const answer = flush(() => {
      const before = this.interventions.peek();
      const leadsTo = this.#leadsTo(change, before);
      this.#pending.value = [...this.#pending.peek(), { id, change, leadsTo, answered: false }];
      this.#record(change, before, leadsTo !== null);
      return send(view, change);
    });
    const granted = await answer;
    flush(() => {
      const pending = this.#pending.peek();
      this.#pending.value = granted
        ? pending.map((item) => (item.id === id ? { ...item, answered: true } : item))
        : pending.filter((item) => item.id !== id);
      // What is left of the history cannot be told from here; the kernel's answers will show it.
      if (!granted) this.#forget();
    });
    return granted;
  }

  /**
   * The list that an undo or redo leads to. Null where it is not this page that made the change, or
   * somebody else has made one since: the kernel's answer then shows it.
   */
  #leadsTo({ what }: Change, now: InterventionList): InterventionList | null {
    if (what === "undo") {
      const step = this.#done.at(-1);
      return step && sameInterventions(step.after, now) ? step.before : null;
    }
    if (what === "redo") {
      const step = this.#undone.at(-1);
      return step && sameInterventions(step.before, now) ? step.after : null;
    }
    return null;
  }

  #record({ what }: Change, before: InterventionList, known: boolean): void {
    if (what === "undo" || what === "redo") {
      const [from, to] = what === "undo" ? [this.#done, this.#undone] : [this.#undone, this.#done];
      const step = known ? from.pop() : undefined;
      if (step) to.push(step);
      else this.#forget();
      return;
    }
    const after = this.interventions.peek();
    // Other prompts leave the list as it is, and are a step back all the same.
    if (after === before && what !== "edit" && what !== "prompts") return;
    this.#done = [...this.#done, { before, after }].slice(-MAX_STEPS);
    this.#undone = [];
  }

  #forget(): void {
    this.#done = [];
    this.#undone = [];
  }
}

/** Drops the granted changes once the kernel's state has caught up with its answers. */
export function settled(
  pending: readonly PendingChange[],
  changing: boolean,
): readonly PendingChange[] {
  if (changing || !pending.some((item) => item.answered)) return pending;
  return pending.filter((item) => !item.answered);
}

function send(view: ChangesSession, change: Change): Promise<boolean> {
  switch (change.what) {
    case "ablate":
      return view.change(setAblated, {
        component: change.component,
        kind: change.kind,
        on: change.on,
      });
    case "patch":
      return view.change(setPatched, { cells: [...change.cells], on: change.on });
    case "cut":
      return view.change(setCut, { edges: [...change.edges], kind: change.kind, on: change.on });
    case "enable":
      return view.change(setEnabled, { key: change.key, enabled: change.on });
    case "remove":
      return view.change(remove, { key: change.key });
    case "edit":
      return view.change(editPrompt, change.prompt);
    case "prompts":
      return change.ask();
    case "clear":
      return view.change(clear, {});
    case "undo":
      return view.change(undo, {});
    case "redo":
      return view.change(redo, {});
  }
}
