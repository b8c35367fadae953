import type { Methods } from "../generated/protocol";
import { isRecord, type WidgetModel } from "./model";
import { isResult, type Method } from "./rpc";

/** A result worth keeping in the notebook. */
export interface Saved<M extends Method> {
  args: Methods[M]["args"];
  result: Methods[M]["result"];
  buffers: DataView[];
}

interface Entry {
  method: string;
  args: unknown;
  result: unknown;
  buffers: string[];
}

const MAX_CHARS = 48_000;
const DELAY_MS = 1000;

/**
 * What the widget last showed, kept in its `snapshot` trait, so that a notebook reopened without a
 * kernel still shows it. Written a while after the views came to rest, and only when it differs.
 */
export class SnapshotStore {
  readonly #model: WidgetModel;
  readonly #initial: Map<string, Entry>;
  readonly #entries = new Map<string, () => Entry>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #written: string;

  constructor(model: WidgetModel, abort: AbortSignal) {
    this.#model = model;
    const raw = model.get("snapshot");
    this.#initial = parseSnapshot(raw);
    this.#written = JSON.stringify(raw ?? {});
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
    const slots = fitting([...this.#entries].map(([key, entry]) => [key, entry()]));
    const snapshot = { version: 1, slots };
    const json = JSON.stringify(snapshot);
    if (json === this.#written) return;
    this.#written = json;
    this.#model.set("snapshot", snapshot);
    this.#model.save_changes();
  }
}

/** As many entries as fit, small ones first: one huge array must not push out all the others. */
function fitting(entries: [string, Entry][]): Record<string, Entry> {
  const sized = entries.map(([key, entry]) => ({ key, entry, size: JSON.stringify(entry).length }));
  sized.sort((a, b) => a.size - b.size);
  const slots: Record<string, Entry> = {};
  let total = 0;
  for (const { key, entry, size } of sized) {
    total += size + key.length + 4;
    if (total > MAX_CHARS) break;
    slots[key] = entry;
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

export function toBase64(view: DataView): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}

export function fromBase64(text: string): DataView {
  return new DataView(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
}
