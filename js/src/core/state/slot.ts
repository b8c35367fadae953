import { type Signal, signal } from "@preact/signals";
import type { ErrorInfo, Summary } from "../../generated/protocol";
import { flush } from "./flush";
import type { ViewHandle } from "./handle";
import { isRecord } from "./model";
import {
  type Answer,
  type Asked,
  isResult,
  isUnanswerable,
  isWithdrawn,
  type ProgressInfo,
  RpcError,
} from "./rpc";
import type { AnySlot } from "./view_state";

/** A result as shown, with the question it answers. `seq` is 0 for one from the snapshot. */
export interface Loaded<Q extends Asked> {
  result: Q["result"];
  buffers: DataView[];
  args: Q["args"];
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
}

/** One question of a view that is asked again whenever its arguments or the session change. */
export class Slot<Q extends Asked> implements AnySlot {
  readonly data: Signal<Loaded<Q> | null>;
  readonly error: Signal<ErrorInfo | null> = signal(null);
  readonly pending = signal(false);
  readonly paintedRevision: Signal<number | null> = signal(null);
  readonly fromSnapshot = signal(false);
  readonly quiet: boolean;
  readonly on: "revision" | "prompts";
  readonly #view: ViewHandle;
  readonly #key: string;
  readonly #method: string;
  #wanted = "";
  #ask: (() => void) | null = null;
  #seq = 0;
  #asked = 0;

  constructor(view: ViewHandle, name: string, method: string, options: SlotOptions = {}) {
    this.#view = view;
    this.#key = `${view.name}/${name}`;
    this.#method = method;
    this.quiet = options.quiet ?? false;
    this.on = options.on ?? "revision";
    const saved = view.session.snapshot.saved<Q>(this.#key, method);
    const first = saved ? { ...saved, seq: 0, revision: -1, partial: false } : null;
    this.data = signal<Loaded<Q> | null>(first);
    this.fromSnapshot.value = first !== null;
    if (first) {
      const summary = summaryOf(first.result);
      if (summary) view.session.see({ ...summary, revision: -1 });
    }
  }

  /** States the question; null means nothing is asked now. Asks only when it differs from before. */
  want(args: Q["args"] | null, revision: number): void {
    // Asked anew when somebody can answer again.
    const connected = this.#view.session.connected.value;
    const wanted = args === null ? "" : `${connected} ${revision} ${JSON.stringify(args)}`;
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    const held = this.data.peek();
    const known =
      args === null ||
      (held !== null &&
        !held.partial &&
        held.revision >= revision &&
        JSON.stringify(held.args) === JSON.stringify(args));
    if (args === null || known) {
      this.#ask = null;
      this.#withdraw();
      return;
    }
    this.#ask = () => this.#request(args, revision);
    this.#ask();
  }

  /** The result is on screen: publishes its number, and the slot is done if nothing newer was asked. */
  painted(loaded: Loaded<Q>): void {
    if (loaded.partial || loaded.seq === 0) return;
    this.paintedRevision.value = this.on === "revision" ? loaded.revision : null;
    if (!this.quiet) this.#view.painted(loaded.seq);
    if (loaded.seq === this.#seq) this.#settle();
  }

  stop(): void {
    if (!this.#method.startsWith("session/")) {
      this.#view.rpc.cancel(this.#key);
      return;
    }
    // Other views wait for the same answer: this one only stops waiting.
    this.#seq = this.#view.nextSeq();
    flush(() => {
      this.#view.stopped.value = true;
      this.#settle();
    });
  }

  retry(): void {
    this.#ask?.();
  }

  close(): void {
    this.#wanted = "";
    this.#ask = null;
    this.#withdraw();
  }

  #withdraw(): void {
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

  #request(args: Q["args"], revision: number): void {
    const seq = this.#view.nextSeq();
    this.#seq = seq;
    this.#asked++;
    this.pending.value = true;
    this.error.value = null;
    if (!this.quiet) this.#view.started();
    const onProgress = (progress: ProgressInfo, buffers: DataView[]) => {
      if (seq !== this.#seq) return;
      flush(() => {
        if (!this.quiet) this.#view.progressed(this.#key, progress);
        const { partial } = progress;
        if (partial && isResult<Q>(partial)) {
          this.data.value = { result: partial, buffers, args, seq, revision, partial: true };
        }
      });
    };
    this.#view.session
      .askOnce<Q>(this.#view.rpc, this.#key, seq, this.#method, args, { onProgress })
      .then(
        (answer) => {
          if (seq === this.#seq) this.#show(args, answer, revision);
        },
        (error: unknown) => {
          if (seq === this.#seq) this.#fail(error);
        },
      );
  }

  /**
   * A snapshot of the very thing that was asked for needs no excuse, and nor does what a view that has
   * one asks by itself as it opens: nobody has clicked, and its head says "snapshot".
   */
  #needsNoExcuse(error: ErrorInfo): boolean {
    if (!isUnanswerable(error)) return false;
    const held = this.data.peek();
    const same = held !== null && this.#wanted.endsWith(` ${JSON.stringify(held.args)}`);
    return same || (this.#asked <= 1 && !this.#view.session.snapshot.empty);
  }

  #show(args: Q["args"], answer: Answer<Q>, asked: number): void {
    const { result, buffers } = answer;
    const summary = summaryOf(result);
    // The kernel's word: a change that was refused leaves the numbers at the revision before it.
    const told = answer.revision ?? summary?.revision ?? asked;
    const revision = this.on === "revision" ? told : asked;
    const { session } = this.#view;
    flush(() => {
      if (summary) session.see(summary);
      this.fromSnapshot.value = false;
      this.#view.answered(this.#key);
      this.data.value = { result, buffers, args, seq: this.#seq, revision, partial: false };
    });
    session.snapshot.remember(this.#key, this.#method, { args, revision: told, result, buffers });
  }

  #fail(error: unknown): void {
    const info =
      error instanceof RpcError
        ? error
        : { type: "Error", message: String(error), hint: "Reload the page." };
    flush(() => {
      this.error.value = isWithdrawn(error) ? null : info;
      if (!this.quiet) {
        if (isWithdrawn(error)) this.#view.stopped.value = true;
        else if (this.#needsNoExcuse(info)) this.#view.answered(this.#key);
        else this.#view.fail(info, this.#key);
      }
      this.#settle();
    });
  }
}

function summaryOf(result: unknown): Summary | null {
  const has = (value: unknown): value is { summary: Summary } =>
    isRecord(value) && isRecord(value.summary) && typeof value.summary.revision === "number";
  return has(result) ? result.summary : null;
}
