import type { Methods } from "../../generated/protocol";
import { isRecord, type WidgetModel } from "./model";
import { isResult, type Method } from "./rpc";
import { type Entry, fromBase64, shrunk, toBase64 } from "./shrink";

/** A result worth keeping in the notebook. */
export interface Saved<M extends Method> {
  args: Methods[M]["args"];
  result: Methods[M]["result"];
  buffers: DataView[];
}

/** Of a widget's saved state, its bundle and style sheet included. */
const MAX_STATE_CHARS = 290_000;
const MIN_CHARS = 48_000;
const DELAY_MS = 1000;

/**
 * What the widget last showed, kept in its `snapshot` trait, so that a notebook reopened without a
 * kernel still shows it. Written a while after the views came to rest, and only when it differs.
 */
export class SnapshotStore {
  readonly #model: WidgetModel;
  readonly #initial: Map<string, Entry>;
  readonly #entries = new Map<string, () => Entry>();
  readonly #room: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #written: string;

  constructor(model: WidgetModel, abort: AbortSignal) {
    this.#model = model;
    const raw = model.get("snapshot");
    this.#initial = parseSnapshot(raw);
    this.#written = JSON.stringify(raw ?? {});
    const code = [model.get("_esm"), model.get("_css")].map((text) => JSON.stringify(text ?? ""));
    this.#room = Math.max(MIN_CHARS, MAX_STATE_CHARS - code.join("").length);
    abort.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Whether nothing is there from an earlier sitting. */
  get empty(): boolean {
    return this.#initial.size === 0;
  }

  /** The result under this key from an earlier sitting. */
  saved<M extends Method>(key: string, method: M): Saved<M> | null {
    const entry = this.#initial.get(key);
    if (!entry || entry.method !== method || !isResult(method, entry.result)) return null;
    if (!isArgs(method, entry.args)) return null;
    return { args: entry.args, result: entry.result, buffers: entry.buffers.map(fromBase64) };
  }

  remember<M extends Method>(key: string, method: M, saved: Saved<M>): void {
    const { args, result, buffers } = saved;
    this.#entries.set(key, () => ({ method, args, result, buffers: buffers.map(toBase64) }));
  }

  /** Call when a view came to rest; any other activity within the delay starts it anew. */
  schedule(): void {
    clearTimeout(this.#timer);
    if (this.#model.get("snapshot") === undefined) return;
    this.#timer = setTimeout(() => this.#write(), DELAY_MS);
  }

  /** Call when a view starts to compute. */
  hold(): void {
    clearTimeout(this.#timer);
  }

  #write(): void {
    const entries = [...this.#entries].map(([key, entry]): [string, Entry] => [key, entry()]);
    const slots = fitting(entries, this.#room);
    const snapshot = { version: 1, slots };
    const json = JSON.stringify(snapshot);
    if (json === this.#written) return;
    this.#written = json;
    this.#model.set("snapshot", snapshot);
    this.#model.save_changes();
  }
}

/** As many entries as fit, small ones first: one huge array must not push out all the others. */
function fitting(entries: [string, Entry][], room: number): Record<string, Entry> {
  const sized = entries.map(([key, entry]) => ({ key, entry, size: JSON.stringify(entry).length }));
  sized.sort((a, b) => a.size - b.size);
  const slots: Record<string, Entry> = {};
  let left = room;
  for (const [index, { key, entry }] of sized.entries()) {
    // The large ones that are left share what is left.
    const share = left / (sized.length - index) - key.length - 4;
    const small = shrunk(entry, Math.floor(share));
    if (!small) continue;
    left -= JSON.stringify(small).length + key.length + 4;
    slots[key] = small;
  }
  return slots;
}

function parseSnapshot(raw: unknown): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  if (!isRecord(raw) || raw.version !== 1 || !isRecord(raw.slots)) return entries;
  for (const [key, value] of Object.entries(raw.slots)) {
    if (!isRecord(value) || typeof value.method !== "string") continue;
    const buffers = Array.isArray(value.buffers) ? value.buffers.map(String) : [];
    entries.set(key, { method: value.method, args: value.args, result: value.result, buffers });
  }
  return entries;
}

function isArgs<M extends Method>(_method: M, value: unknown): value is Methods[M]["args"] {
  return isRecord(value);
}
