import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type {
  ErrorInfo,
  PatchCell,
  Selection,
  SessionInfo,
  SessionState,
  Settings,
} from "../../generated/messages";
import type { Metric } from "../../generated/session";
import type { Command, OptionSpec, Question } from "../../wire/question";
import { Changes } from "./changes";
import { flush } from "./flush";
import { cellKey } from "./interventions";
import type { WidgetModel } from "./model";
import {
  NO_INFO,
  NO_SELECTION,
  NO_SETTINGS,
  NO_STATE,
  parseInfo,
  parseSelection,
  parseSettings,
  parseState,
} from "./parse";
import type { Reply, RequestOptions, Rpc } from "./rpc";
import { SnapshotStore } from "./snapshot";
import { syncedTrait } from "./trait";
import type { ChangesSession, MountedView } from "./view_state";

export interface HeadRef {
  layer: number;
  head: number;
}

/** The metric, and the session's revision that it was computed at; -1 for a snapshot's. */
export type SeenMetric = Metric["attrs"] & { revision: number };

/** Refusals to compute with a model that is no longer what it was. */
const OF_MODEL: readonly string[] = ["ModelChangedError", "TrainingModeError"];

/** Whether an error is about the model, and so about all that is shown. */
export function isOfModel(error: ErrorInfo | null): boolean {
  return error !== null && OF_MODEL.includes(error.type);
}

/** Answers about the session itself that are kept for a view that asks later. */
const REMEMBERED = 8;

/** One widget's synced state as signals, shared by all views that are mounted for it on the page. */
export class ViewSession {
  readonly info: ReadonlySignal<SessionInfo>;
  readonly state: ReadonlySignal<SessionState>;
  readonly selection: ReadonlySignal<Selection>;
  /** What all views of the session agree on; see `setting`. */
  readonly settings: ReadonlySignal<Settings>;
  /** The head under the mouse in any view; never leaves the page. */
  readonly preview: Signal<HeadRef | null> = signal(null);
  /** The newest metric that any view got. */
  readonly metric: Signal<SeenMetric | null> = signal(null);
  /** What was asked for, granted by the kernel or not yet, and the interventions as that leaves them. */
  readonly changes: Changes;
  /**
   * The revision that numbers are wanted for. It runs ahead of the kernel's state while a change is on
   * its way, so that the numbers are asked for together with the change: one round trip, not two.
   */
  readonly revision: ReadonlySignal<number>;
  /** False once nobody can answer: what is shown is then a snapshot. */
  readonly connected: ReadonlySignal<boolean>;
  /** The kernel answered once and cannot any more: it was restarted, or has ended. */
  readonly lost: ReadonlySignal<boolean>;
  /** What was done to the model since its numbers were computed; null while they stand. */
  readonly outdated: ReadonlySignal<ErrorInfo | null>;
  /** Whether anybody has clicked or typed in the views. */
  touched = false;
  /** True while a change is on its way to the kernel or its new state on the way back. */
  readonly changing: ReadonlySignal<boolean>;
  readonly views: Signal<readonly MountedView[]> = signal([]);
  readonly snapshot: SnapshotStore;

  readonly #selection: Signal<Selection>;
  readonly #settings: Signal<Settings>;
  readonly #options = new Map<string, unknown>();
  readonly #asked = new Map<string, Promise<Reply>>();
  readonly #model: WidgetModel;
  readonly #abort: AbortSignal;
  readonly #rpc: Rpc;
  /** The revisions that the changes on their way should lead to. */
  readonly #underway: Signal<readonly number[]> = signal([]);
  readonly #expected = signal(0);
  #count = 0;

  constructor(model: WidgetModel, abort: AbortSignal, rpc: Rpc) {
    this.#rpc = rpc;
    this.#model = model;
    this.#abort = abort;
    this.connected = rpc.connected;
    this.info = syncedTrait(model, "info", parseInfo, NO_INFO, abort);
    this.state = syncedTrait(model, "state", parseState, NO_STATE, abort);
    this.#selection = syncedTrait(model, "selection", parseSelection, NO_SELECTION, abort);
    this.selection = this.#selection;
    this.#settings = syncedTrait(model, "settings", parseSettings, NO_SETTINGS, abort);
    this.settings = this.#settings;
    this.snapshot = new SnapshotStore(model, abort);

    this.lost = computed(() => !rpc.connected.value && rpc.heard);
    // What a view is refused may come before the state that tells all of them.
    this.outdated = computed(
      () =>
        this.state.value.outdated ??
        this.views.value.map((view) => view.error.value).find(isOfModel) ??
        null,
    );
    let before: ErrorInfo | null = null;
    effect(() => {
      const { outdated } = this.state.value;
      if (before && !outdated) {
        // Changed back, or taken as it is: what was refused is asked again.
        for (const view of this.views.peek()) if (isOfModel(view.error.peek())) view.retry();
      }
      before = outdated;
    });
    this.changing = computed(
      () => this.#underway.value.length > 0 || this.#expected.value > this.state.value.revision,
    );
    this.revision = computed(() =>
      Math.max(this.state.value.revision, this.#expected.value, ...this.#underway.value),
    );
    this.changes = new Changes(this);
  }

  /** Moves the shared selection; shown at once, sent to the kernel, followed by every linked view. */
  select(patch: Partial<Selection>): void {
    flush(() => {
      this.#selection.value = { ...this.#selection.peek(), ...patch };
    });
  }

  /** One of the session's settings. Setting `.value` shows at once and in every linked view. */
  setting<K extends keyof Settings>(name: K): { value: Settings[K]; peek(): Settings[K] } {
    const settings = this.#settings;
    return {
      get value() {
        return settings.value[name];
      },
      set value(chosen) {
        flush(() => {
          settings.value = { ...settings.peek(), [name]: chosen };
        });
      },
      peek: () => settings.peek()[name],
    };
  }

  /** An option of the widget. Setting `.value` shows at once and writes the trait, where there is one. */
  option<T>({ name, initial, is }: OptionSpec<T>): Signal<T> {
    const known = this.#options.get(name);
    // One name is one option, whichever view declares it, so the signal is of the same type.
    if (known) return known as Signal<T>;
    const parse = (raw: unknown) => (is(raw) ? raw : undefined);
    const made = syncedTrait<T>(this.#model, name, parse, initial, this.#abort);
    this.#options.set(name, made);
    return made;
  }

  /**
   * Asks the kernel, once for all views of the page where the question is about the session itself:
   * each of them shows the same tokens, and one forward gives the metric.
   */
  askOnce(
    rpc: Rpc,
    slot: string,
    seq: number,
    { method, shared }: Question,
    args: object,
    options: RequestOptions,
  ): Promise<Reply> {
    if (!shared) return rpc.send(slot, seq, method, args, options);
    const wanted = this.revision.peek();
    const key = `${method} ${wanted} ${JSON.stringify(args)}`;
    const known = this.#asked.get(key);
    const answer = known ?? rpc.send(`shared ${key}`, seq, method, args, options);
    if (!known) {
      this.#asked.set(key, answer);
      answer.then(
        ({ revision }) => {
          // Of the state before a change that was refused: the next one leads to the same revision.
          if (revision !== null && revision !== wanted) this.#asked.delete(key);
        },
        () => this.#asked.delete(key),
      );
      for (const old of this.#asked.keys()) {
        if (this.#asked.size > REMEMBERED) this.#asked.delete(old);
      }
    }
    return answer;
  }

  /**
   * Asks the kernel for a change. Rejects with `RpcError`; views call `changes.make`, which shows the
   * change at once and its refusal in their own alert. Changes never supersede each other: two quick toggles both count.
   */
  async change<Args extends object>(
    { method }: Command<Args>,
    args: Args,
    options: RequestOptions = {},
  ): Promise<void> {
    const number = ++this.#count;
    const target = this.revision.peek() + 1;
    // Sent first, and in one message with what the views ask then: the numbers that follow from it.
    const answer = flush(() => {
      this.#underway.value = [...this.#underway.peek(), target];
      return this.#rpc.send(`change${number}`, number, method, args, options);
    });
    const arrived = (revision: number) =>
      flush(() => {
        this.#expected.value = Math.max(this.#expected.peek(), revision);
        this.#underway.value = this.#underway.peek().filter((other) => other !== target);
      });
    try {
      const { revision } = await answer;
      arrived(revision ?? target);
    } catch (error) {
      arrived(0);
      throw error;
    }
  }

  /** Ablates a component, or ends its ablation, from any view: shown everywhere in this frame. */
  toggleAblation(view: ChangesSession, component: string): void {
    if (!this.connected.peek()) return;
    const kind = this.setting("ablation_kind").peek();
    const on = !this.changes.ablated.peek().has(component);
    void this.changes.make(view, { what: "ablate", component, kind, on });
  }

  /** Keeps cells of patching maps as patches, or takes them away when all of them are kept. */
  togglePatches(view: ChangesSession, cells: readonly PatchCell[]): void {
    if (!this.connected.peek()) return;
    const kept = this.changes.keptCells.peek();
    const on = !cells.every((cell) => kept.has(cellKey(cell)));
    void this.changes.make(view, { what: "patch", cells, on });
  }

  /** Takes note of the metric unless a newer one was seen. */
  see(metric: SeenMetric): void {
    const seen = this.metric.peek();
    if (!seen || metric.revision >= seen.revision) this.metric.value = metric;
  }

  /** Registers a view for as long as the returned function is not called. */
  attach(view: MountedView): () => void {
    batch(() => {
      this.views.value = [...this.views.peek(), view];
    });
    return () => {
      this.views.value = this.views.peek().filter((other) => other !== view);
    };
  }
}
