import { type Signal, signal } from "@preact/signals";
import type { ErrorInfo } from "../../generated/messages";
import type { AnswerType, Question } from "../../wire/question";
import { Dataset } from "./dataset";
import { flush } from "./flush";
import type { ViewHandle } from "./handle";
import { isUnanswerable, isWithdrawn, type ProgressInfo, type Reply, RpcError } from "./rpc";
import type { AnySlot } from "./view_state";

/** An answer as shown, with the arguments it answers. `seq` is 0 for one from the snapshot. */
export interface Loaded<Args extends object, A extends AnswerType> {
  data: Dataset<A>;
  args: Args;
  seq: number;
  /** The session revision its numbers belong to. */
  revision: number;
  partial: boolean;
}

export interface SlotOptions {
  /** `prompts`: the result depends on prompts and metric only, not on interventions. */
  on?: "revision" | "prompts";
  /** Not part of the view's status: hover details that must not make it look busy. */
  quiet?: boolean;
  /** Whether it is worth room in what is saved with the notebook; it is unless false. */
  kept?: boolean;
  /**
   * A run of the model for each cell: asked only while the view is on screen or near it, so that nobody
   * waits for cells that nobody sees.
   */
  sweep?: boolean;
}

/** One question of a view that is asked again whenever its arguments or the session change. */
export class Slot<Args extends object, A extends AnswerType> implements AnySlot {
  readonly loaded: Signal<Loaded<Args, A> | null>;
  readonly error: Signal<ErrorInfo | null> = signal(null);
  readonly pending = signal(false);
  /** Waits until the view is near the screen. */
  readonly putOff = signal(false);
  readonly paintedRevision: Signal<number | null> = signal(null);
  readonly fromSnapshot = signal(false);
  readonly quiet: boolean;
  readonly on: "revision" | "prompts";
  readonly sweep: boolean;
  readonly shared: boolean;
  readonly #view: ViewHandle;
  readonly #key: string;
  readonly #question: Question<Args, A>;
  readonly #kept: boolean;
  #wanted = "";
  #ask: (() => void) | null = null;
  #seq = 0;

  constructor(
    view: ViewHandle,
    name: string,
    question: Question<Args, A>,
    options: SlotOptions = {},
  ) {
    this.#view = view;
    this.#key = `${view.name}/${name}`;
    this.#question = question;
    this.quiet = options.quiet ?? false;
    this.on = options.on ?? "revision";
    this.sweep = options.sweep ?? false;
    this.#kept = options.kept ?? true;
    this.shared = question.shared ?? false;
    const saved = view.session.snapshot.saved(this.#key, question);
    this.loaded = signal<Loaded<Args, A> | null>(
      saved && { ...saved, seq: 0, revision: -1, partial: false },
    );
    this.fromSnapshot.value = saved !== null;
  }

  /** States the question; null means nothing is asked now. Asks only when it differs from before. */
  want(args: Args | null, revision: number): void {
    // Asked anew when somebody can answer again.
    const connected = this.#view.session.connected.value;
    const wanted = args === null ? "" : `${connected} ${revision} ${JSON.stringify(args)}`;
    const far = this.sweep && !this.#view.near.peek();
    if (wanted === this.#wanted) {
      if (this.putOff.peek() && !far) this.#begin();
      return;
    }
    this.#wanted = wanted;
    const held = this.loaded.peek();
    const known =
      args === null ||
      (held !== null &&
        !held.partial &&
        held.revision >= revision &&
        JSON.stringify(held.args) === JSON.stringify(args));
    if (args === null || known) {
      this.#ask = null;
      this.#withdraw();
      // What is not asked any more, or was known, holds no view back at an older revision.
      const shown = args === null || held === null || held.revision < 0 ? null : held.revision;
      this.paintedRevision.value = this.on === "revision" ? shown : null;
      return;
    }
    this.#ask = () => this.#request(args, revision);
    if (!far) this.#begin();
    else {
      // What was asked before is of no use any more, and in the way of what can be seen.
      this.#withdraw();
      this.putOff.value = true;
    }
  }

  #begin(): void {
    this.putOff.value = false;
    this.#ask?.();
  }

  /** The result is on screen: publishes its number, and the slot is done if nothing newer was asked. */
  painted(loaded: Loaded<Args, A>): void {
    if (loaded.partial || loaded.seq === 0) return;
    this.paintedRevision.value = this.on === "revision" ? loaded.revision : null;
    if (!this.quiet) this.#view.painted(loaded.seq);
    if (loaded.seq === this.#seq) this.#settle();
  }

  stop(): void {
    if (!this.#question.shared) {
      this.#view.rpc.cancel(this.#key);
      return;
    }
    // Other views wait for the same answer: this one only stops waiting.
    this.#seq = this.#view.nextSeq();
    flush(() => {
      this.#view.stopped.value = "stopped";
      this.#settle();
    });
  }

  retry(): void {
    this.#begin();
  }

  close(): void {
    this.#wanted = "";
    this.#ask = null;
    this.#withdraw();
  }

  #withdraw(): void {
    this.putOff.value = false;
    this.#seq = this.#view.nextSeq();
    this.#view.rpc.cancel(this.#key);
    this.error.value = null;
    // What the question before was refused for is no longer asked.
    this.#view.answered(this.#key);
    this.#settle();
  }

  #settle(): void {
    this.pending.value = false;
    this.#view.settled(this.#key);
  }

  #request(args: Args, revision: number): void {
    const seq = this.#view.nextSeq();
    this.#seq = seq;
    this.pending.value = true;
    this.error.value = null;
    if (!this.quiet) this.#view.started();
    const onProgress = (progress: ProgressInfo, buffers: DataView[]) => {
      if (seq !== this.#seq) return;
      flush(() => {
        if (!this.quiet) this.#view.progressed(this.#key, progress);
        const { partial } = progress;
        if (partial) {
          const data = Dataset.read<A>(partial, buffers);
          this.loaded.value = { data, args, seq, revision, partial: true };
        }
      });
    };
    this.#view.session
      .askOnce(this.#view.rpc, this.#key, seq, this.#question, args, { onProgress })
      .then((reply) => {
        if (seq === this.#seq) this.#show(args, reply, revision);
      })
      .catch((error: unknown) => {
        if (seq === this.#seq) this.#fail(error);
      });
  }

  /**
   * A snapshot of the very thing that was asked for needs no excuse, and nor does what a view that has
   * one asks by itself as it opens: nobody has clicked, and its head says "snapshot".
   */
  #needsNoExcuse(error: ErrorInfo): boolean {
    if (!isUnanswerable(error)) return false;
    const held = this.loaded.peek();
    const same = held !== null && this.#wanted.endsWith(` ${JSON.stringify(held.args)}`);
    return same || !(this.#view.session.touched || this.#view.session.snapshot.empty);
  }

  #show(args: Args, { result, buffers, revision: known }: Reply, asked: number): void {
    const data = Dataset.read<A>(result, buffers);
    // The kernel's word: a change that was refused leaves the numbers at the revision before it.
    const told = known ?? asked;
    const revision = this.on === "revision" ? told : asked;
    const { session } = this.#view;
    flush(() => {
      this.fromSnapshot.value = false;
      this.#view.answered(this.#key);
      this.loaded.value = { data, args, seq: this.#seq, revision, partial: false };
    });
    const { method } = this.#question;
    const answer = { method, args, revision: told, result, buffers };
    if (this.#kept) session.snapshot.remember(this.#key, answer);
  }

  #fail(error: unknown): void {
    const info =
      error instanceof RpcError
        ? error
        : { type: "Error", message: String(error), hint: "Reload the page." };
    flush(() => {
      this.error.value = isWithdrawn(error) ? null : info;
      if (!this.quiet) {
        if (isWithdrawn(error)) this.#view.withdrawn(error);
        else if (this.#needsNoExcuse(info)) this.#view.answered(this.#key);
        else this.#view.fail(info, this.#key);
      }
      this.#settle();
    });
  }
}
