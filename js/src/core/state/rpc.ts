import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { type ErrorInfo, MAX_REQUEST_BYTES, type Progress } from "../../generated/messages";
import type { AnswerType, Question } from "../../wire/question";
import { toViews } from "./arrays";
import { NO_KERNEL } from "./connection";
import { Dataset } from "./dataset";
import { afterFlush } from "./flush";
import { isRecord, listen, type WidgetModel } from "./model";

/** Progress of a request. `partial` is present when part of the result is known. */
export type ProgressInfo = Omit<Progress, "partial"> & { partial?: Record<string, unknown> };

/** An answer as it came. */
export interface Reply {
  result: Record<string, unknown>;
  buffers: DataView[];
  /** Of the session whose numbers these are; null where the reply does not tell. */
  revision: number | null;
}

export interface RequestOptions {
  onProgress?(progress: ProgressInfo, buffers: DataView[]): void;
}

export class RpcError extends Error implements ErrorInfo {
  readonly type: string;
  readonly hint: string;

  constructor({ type, message, hint }: ErrorInfo) {
    super(message);
    this.name = "RpcError";
    this.type = type;
    this.hint = hint;
  }
}

/** The kernel was interrupted while no cell ran. */
export const INTERRUPTED = "Interrupted";

const WITHDRAWN: readonly string[] = ["Superseded", "Cancelled", INTERRUPTED];

/** None is a failure: a newer request won, or the person pressed stop or interrupted the kernel. */
export function isWithdrawn(error: unknown): error is RpcError {
  return error instanceof RpcError && WITHDRAWN.includes(error.type);
}

/** Nobody can answer: the page is an export, or the kernel has gone. */
export function isUnanswerable(error: ErrorInfo | null): boolean {
  return error?.type === NO_KERNEL.type;
}

interface Pending {
  slot: string;
  seq: number;
  settle(message: Record<string, unknown>, buffers: DataView[]): void;
  fail(error: RpcError): void;
  progress(progress: ProgressInfo, buffers: DataView[]): void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** After the first the view says that it waits; after each other one it asks again. */
const AGAIN_MS = [1_000, 2_000, 7_000, 20_000, 30_000, 60_000];
const ALWAYS = signal(true);

/** Requests and their answers over one widget's messages. In each slot only the newest request counts. */
export class Rpc {
  readonly clientId = randomId();
  /** Whether the kernel has ever answered: if it cannot any more, it is gone. */
  heard = false;
  readonly #model: WidgetModel;
  readonly #pending = new Map<string, Pending>();
  readonly #newest = new Map<string, string>();
  #outbox: Record<string, unknown>[] = [];
  #count = 0;
  #closed = false;

  constructor(
    model: WidgetModel,
    signal: AbortSignal,
    readonly connected: ReadonlySignal<boolean> = ALWAYS,
  ) {
    this.#model = model;
    listen(
      model,
      "msg:custom",
      (content, buffers) => this.#receive(content, toViews(buffers)),
      signal,
    );
    const stop = effect(() => {
      if (!connected.value) this.#lose();
    });
    signal.addEventListener(
      "abort",
      () => {
        stop();
        this.#close();
      },
      { once: true },
    );
  }

  /** The answer to a question. Rejects as `send` does. */
  async ask<Args extends object, A extends AnswerType>(
    slot: string,
    seq: number,
    question: Question<Args, A>,
    args: Args,
    options: RequestOptions = {},
  ): Promise<Dataset<A>> {
    const { result, buffers } = await this.send(slot, seq, question.method, args, options);
    return Dataset.read<A>(result, buffers);
  }

  /** Resolves with the reply. Rejects with `RpcError`, of type `Superseded` as soon as a newer request takes the slot. */
  send(
    slot: string,
    seq: number,
    method: string,
    args: object,
    options: RequestOptions = {},
  ): Promise<Reply> {
    this.#withdraw(slot, "Superseded", "a newer request took its place");
    return new Promise((resolve, reject) => {
      const id = `${this.clientId}-${++this.#count}`;
      const content = { kind: "request", id, slot: `${this.clientId}:${slot}`, seq, method, args };
      const problem = this.#closed ? "the view is closed" : tooLarge(content);
      if (problem) {
        reject(new RpcError({ type: "ValueError", message: problem, hint: "" }));
        return;
      }
      if (!this.connected.peek()) {
        reject(new RpcError(NO_KERNEL));
        return;
      }
      const pending: Pending = {
        slot,
        seq,
        settle: ({ result, revision }, buffers) => {
          const known = typeof revision === "number" ? revision : null;
          if (isRecord(result)) resolve({ result, buffers, revision: known });
          else reject(malformed(method));
        },
        fail: reject,
        progress: (progress, buffers) => options.onProgress?.(progress, buffers),
        timer: undefined,
      };
      this.#expect(pending, id, content);
      this.#pending.set(id, pending);
      this.#newest.set(slot, id);
      this.#post(content);
    });
  }

  /**
   * A line that is cut swallows what was sent right before: asked again after some silence. The kernel
   * answers an id once, however often it arrives.
   */
  #expect(pending: Pending, id: string, content: Record<string, unknown>): void {
    const wait = (turn: number) => {
      const delay = AGAIN_MS[turn];
      if (delay === undefined) return;
      pending.timer = setTimeout(() => {
        pending.progress(silence(id, pending.slot, pending.seq), []);
        if (turn > 0) this.#model.send(content);
        wait(turn + 1);
      }, delay);
    };
    wait(0);
  }

  /** Stops the slot's running request, here at once and in the kernel at its next check. */
  cancel(slot: string): void {
    if (!this.#newest.has(slot)) return;
    this.#withdraw(slot, "Cancelled", "stopped");
    this.#post({ kind: "cancel", slot: `${this.clientId}:${slot}` });
  }

  /** What one click asks for leaves as one message, when all of it is known. */
  #post(content: Record<string, unknown>): void {
    if (this.#outbox.push(content) > 1) return;
    afterFlush(() => {
      const messages = this.#outbox;
      this.#outbox = [];
      const [only] = messages;
      this.#model.send(messages.length > 1 ? { kind: "batch", messages } : only);
    });
  }

  #withdraw(slot: string, type: string, message: string): void {
    const id = this.#newest.get(slot);
    if (id === undefined) return;
    this.#take(id)?.fail(new RpcError({ type, message, hint: "" }));
  }

  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id);
    if (!pending) return undefined;
    clearTimeout(pending.timer);
    this.#pending.delete(id);
    if (this.#newest.get(pending.slot) === id) this.#newest.delete(pending.slot);
    return pending;
  }

  #receive(content: unknown, buffers: DataView[]): void {
    if (isRecord(content) && content.kind === "batch") {
      this.#receiveAll(content, buffers);
      return;
    }
    // Several views of one widget share its messages: an id that is not ours is another view's.
    if (!isRecord(content) || typeof content.id !== "string") return;
    const pending = this.#pending.get(content.id);
    if (!pending) return;
    this.heard = true;
    clearTimeout(pending.timer);
    if (content.kind === "progress") {
      pending.progress(readProgress(content, pending), buffers);
    } else if (content.kind === "reply") {
      this.#take(content.id)?.settle(content, buffers);
    } else if (content.kind === "error") {
      this.#take(content.id)?.fail(new RpcError(readError(content.error)));
    }
  }

  #receiveAll({ messages, buffers: counts }: Record<string, unknown>, buffers: DataView[]): void {
    if (!Array.isArray(messages) || !Array.isArray(counts)) return;
    let at = 0;
    messages.forEach((message, index) => {
      const from = at;
      at += Number(counts[index]);
      this.#receive(message, buffers.slice(from, at));
    });
  }

  #lose(): void {
    for (const id of [...this.#pending.keys()]) this.#take(id)?.fail(new RpcError(NO_KERNEL));
  }

  #close(): void {
    this.#closed = true;
    for (const slot of [...this.#newest.keys()]) this.#withdraw(slot, "Cancelled", "closed");
  }
}

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function tooLarge(content: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(content)).length;
  return bytes < MAX_REQUEST_BYTES
    ? ""
    : `the request has ${bytes} bytes; at most ${MAX_REQUEST_BYTES} can be sent`;
}

function silence(id: string, slot: string, seq: number): ProgressInfo {
  const label = "waiting for the kernel";
  return { kind: "progress", id, slot, seq, state: "waiting", done: 0, total: 0, label };
}

function readProgress(content: Record<string, unknown>, pending: Pending): ProgressInfo {
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  const progress: ProgressInfo = {
    kind: "progress",
    id: String(content.id),
    slot: pending.slot,
    seq: pending.seq,
    state: content.state === "waiting" ? "waiting" : "computing",
    done: number(content.done),
    total: number(content.total),
    label: typeof content.label === "string" ? content.label : "",
  };
  return isRecord(content.partial) ? { ...progress, partial: content.partial } : progress;
}

function readError(value: unknown): ErrorInfo {
  const error = isRecord(value) ? value : {};
  const text = (field: unknown, missing: string) => (typeof field === "string" ? field : missing);
  return {
    type: text(error.type, "Error"),
    message: text(error.message, "the kernel could not answer"),
    hint: text(error.hint, ""),
  };
}

function malformed(method: string): RpcError {
  return new RpcError({
    type: "ProtocolError",
    message: `the reply to ${method} has no result`,
    hint: "Update lens_widgets in the kernel and reload the page.",
  });
}
