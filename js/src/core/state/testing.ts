import type { ErrorInfo } from "../../generated/messages";
import { isRecord, type WidgetModel } from "./model";

/** A model for tests: keeps what was sent and lets the test play the kernel. */
export class FakeModel implements WidgetModel {
  readonly sent: Record<string, unknown>[] = [];
  readonly traits: Record<string, unknown>;
  saves = 0;
  live?: boolean;
  /** What listeners are called on, as anywidget calls them on its view. */
  view: unknown;
  readonly #callbacks = new Map<string, Set<(...args: unknown[]) => void>>();

  constructor(traits: Record<string, unknown> = {}) {
    this.traits = traits;
  }

  get(name: string): unknown {
    return this.traits[name];
  }

  set(name: string, value: unknown): void {
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }

  save_changes(): void {
    this.saves++;
  }

  on(event: string, callback: (...args: unknown[]) => void): void {
    const callbacks = this.#callbacks.get(event) ?? new Set();
    this.#callbacks.set(event, callbacks.add(callback));
  }

  off(event: string, callback: (...args: unknown[]) => void): void {
    this.#callbacks.get(event)?.delete(callback);
  }

  send(content: unknown): void {
    if (!isRecord(content)) return;
    const { messages } = content;
    if (Array.isArray(messages)) for (const message of messages) this.send(message);
    else this.sent.push(content);
  }

  get listenerCount(): number {
    return [...this.#callbacks.values()].reduce((sum, { size }) => sum + size, 0);
  }

  lastSent(): Record<string, unknown> {
    const last = this.sent.at(-1);
    if (!last) throw new Error("nothing was sent");
    return last;
  }

  requests(method: string): Record<string, unknown>[] {
    return this.sent.filter((message) => message.kind === "request" && message.method === method);
  }

  lastRequest(method: string): Record<string, unknown> {
    const last = this.requests(method).at(-1);
    if (!last) throw new Error(`${method} was not asked for`);
    return last;
  }

  receive(content: Record<string, unknown>, buffers: unknown[] = []): void {
    this.emit("msg:custom", content, buffers);
  }

  reply(to: Record<string, unknown>, result: unknown, revision?: number): void {
    const { id, slot, seq } = to;
    this.receive({ kind: "reply", id, slot, seq, result, revision });
  }

  /** Answers a question with a dataset that holds these attributes alone. */
  answer(to: Record<string, unknown>, attrs: object, revision?: number): void {
    this.reply(to, { dims: {}, variables: {}, attrs }, revision);
  }

  fail(to: Record<string, unknown>, error: ErrorInfo): void {
    const { id, slot, seq } = to;
    this.receive({ kind: "error", id, slot, seq, error });
  }

  emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#callbacks.get(event) ?? [])]) callback.apply(this.view, args);
  }
}
