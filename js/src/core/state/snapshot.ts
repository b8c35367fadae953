import { isRecord, type WidgetModel } from "./model";
import { type Asked, isResult } from "./rpc";
import { type Entry, fromBase64, shrunk, toBase64 } from "./shrink";

/** A result worth keeping in the notebook. */
export interface Saved<Q extends Asked> {
  args: Q["args"];
  /** The session's revision when it was computed. */
  revision: number;
  result: Q["result"];
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
  saved<Q extends Asked>(key: string, method: string): Saved<Q> | null {
    const entry = this.#initial.get(key);
    if (!entry || entry.method !== method || !isResult<Q>(entry.result)) return null;
    if (!isArgs<Q>(entry.args)) return null;
    const { args, result, revision } = entry;
    return { args, revision, result, buffers: entry.buffers.map(fromBase64) };
  }

  remember<Q extends Asked>(key: string, method: string, saved: Saved<Q>): void {
    const { args, revision, result, buffers } = saved;
    this.#entries.set(key, () => ({
      method,
      args,
      revision,
      result,
      buffers: buffers.map(toBase64),
    }));
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
    const { method, args, result } = value;
    const revision = typeof value.revision === "number" ? value.revision : -1;
    entries.set(key, { method, args, revision, result, buffers });
  }
  return entries;
}

function isArgs<Q extends Asked>(value: unknown): value is Q["args"] {
  return isRecord(value);
}
