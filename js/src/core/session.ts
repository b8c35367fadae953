import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type {
  Methods,
  Options,
  Selection,
  SessionInfo,
  SessionState,
  Summary,
} from "../generated/protocol";
import { flush } from "./flush";
import type { ViewHandle } from "./handle";
import type { WidgetModel } from "./model";
import {
  NO_INFO,
  NO_SELECTION,
  NO_STATE,
  OPTION_VALUES,
  parseInfo,
  parseSelection,
  parseState,
} from "./parse";
import type { RequestOptions, Rpc } from "./rpc";
import { SnapshotStore } from "./snapshot";
import { syncedTrait } from "./trait";

/** The methods that change the session; each answers with the revision it made. */
export type ChangeMethod =
  | "toggle"
  | "set_enabled"
  | "remove"
  | "undo"
  | "redo"
  | "clear"
  | "edit_prompt";

export interface HeadRef {
  layer: number;
  head: number;
}

type OptionSignals = { [K in keyof Options]: Signal<Options[K]> };

/** A toggle shown before the kernel confirmed it. `until` is the revision that contains it, once known. */
interface Flip {
  component: string;
  until: number | null;
}

/** One widget's synced state as signals, shared by all views that are mounted for it on the page. */
export class ViewSession {
  readonly info: ReadonlySignal<SessionInfo>;
  readonly state: ReadonlySignal<SessionState>;
  readonly selection: ReadonlySignal<Selection>;
  /** The head under the mouse in any view; never leaves the page. */
  readonly preview: Signal<HeadRef | null> = signal(null);
  /** The newest metric that any reply carried. */
  readonly summary: Signal<Summary | null> = signal(null);
  /** Components switched off now, including toggles the kernel has not confirmed yet. */
  readonly ablated: ReadonlySignal<ReadonlySet<string>>;
  /** True while a change is on its way to the kernel or its new state on the way back. */
  readonly changing: ReadonlySignal<boolean>;
  readonly views: Signal<readonly ViewHandle[]> = signal([]);
  readonly snapshot: SnapshotStore;

  readonly #selection: Signal<Selection>;
  readonly #options: OptionSignals;
  readonly #rpc: Rpc;
  readonly #flips: Signal<readonly Flip[]> = signal([]);
  readonly #underway = signal(0);
  readonly #expected = signal(0);
  #changes = 0;

  constructor(model: WidgetModel, abort: AbortSignal, rpc: Rpc) {
    this.#rpc = rpc;
    this.info = syncedTrait(model, "info", parseInfo, NO_INFO, abort);
    this.state = syncedTrait(model, "state", parseState, NO_STATE, abort);
    this.#selection = syncedTrait(model, "selection", parseSelection, NO_SELECTION, abort);
    this.selection = this.#selection;
    this.snapshot = new SnapshotStore(model, abort);

    const option = <K extends keyof Options>(name: K): Signal<Options[K]> => {
      const values = OPTION_VALUES[name];
      const [missing] = values;
      if (missing === undefined) throw new Error(`option ${name} has no values`);
      const parse = (raw: unknown) => values.find((value) => value === raw) ?? null;
      return syncedTrait<Options[K]>(model, name, parse, missing, abort);
    };
    this.#options = {
      show: option("show"),
      token_mode: option("token_mode"),
      color: option("color"),
      by: option("by"),
      scope: option("scope"),
      kind: option("kind"),
      values: option("values"),
    };

    this.changing = computed(
      () => this.#underway.value > 0 || this.#expected.value > this.state.value.revision,
    );
    this.ablated = computed(() => {
      const { revision, interventions } = this.state.value;
      const components = interventions.filter((item) => item.enabled).map((item) => item.component);
      const off = new Set(components);
      for (const { component, until } of this.#flips.value) {
        if (until !== null && until <= revision) continue;
        if (!off.delete(component)) off.add(component);
      }
      return off;
    });
  }

  /** Moves the shared selection; shown at once, sent to the kernel, followed by every linked view. */
  select(patch: Partial<Selection>): void {
    flush(() => {
      this.#selection.value = { ...this.#selection.peek(), ...patch };
    });
  }

  /** An option of the widget. Setting `.value` shows at once and writes the trait, where there is one. */
  option<K extends keyof Options>(name: K): OptionSignals[K] {
    return this.#options[name];
  }

  /**
   * Asks the kernel for a change. Rejects with `RpcError`; views call `ViewHandle.change`, which shows
   * the error in their own alert. Changes never supersede each other: two quick toggles both count.
   */
  async change<M extends ChangeMethod>(
    method: M,
    args: Methods[M]["args"],
    options: RequestOptions = {},
  ): Promise<Methods[M]["result"]> {
    const flip: Flip | null =
      "component" in args ? { component: args.component, until: null } : null;
    const number = ++this.#changes;
    flush(() => {
      this.#underway.value++;
      const { revision } = this.state.peek();
      const open = this.#flips.peek().filter(({ until }) => until === null || until > revision);
      this.#flips.value = flip ? [...open, flip] : open;
    });
    try {
      const { result } = await this.#rpc.request(`change${number}`, number, method, args, options);
      flush(() => {
        this.#expected.value = Math.max(this.#expected.peek(), result.revision);
        this.#replaceFlip(flip, result.revision);
        this.#underway.value--;
      });
      return result;
    } catch (error) {
      flush(() => {
        this.#replaceFlip(flip, null);
        this.#underway.value--;
      });
      throw error;
    }
  }

  /** Takes note of a reply's metric unless a newer one was seen. */
  see(summary: Summary): void {
    const seen = this.summary.peek();
    if (!seen || summary.revision >= seen.revision) this.summary.value = summary;
  }

  /** Registers a view for as long as the returned function is not called. */
  attach(view: ViewHandle): () => void {
    batch(() => {
      this.views.value = [...this.views.peek(), view];
    });
    return () => {
      this.views.value = this.views.peek().filter((other) => other !== view);
    };
  }

  #replaceFlip(flip: Flip | null, until: number | null): void {
    if (!flip) return;
    const others = this.#flips.peek().filter((other) => other !== flip);
    this.#flips.value = until === null ? others : [...others, { ...flip, until }];
  }
}
