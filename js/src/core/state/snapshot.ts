import type { AnswerType, Question } from "../../wire/question";
import { Dataset, isEncoded } from "./dataset";
import { isRecord, type WidgetModel } from "./model";
import { type Entry, fromBase64, shrunk, toBase64 } from "./shrink";

/** An answer worth keeping in the notebook, as it came. */
export interface Kept {
  method: string;
  args: object;
  /** The session's revision when it was computed. */
  revision: number;
  result: object;
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

  /** The answer under this key from an earlier sitting; null where that is of no use. */
  saved<Args extends object, A extends AnswerType>(
    key: string,
    question: Question<Args, A>,
  ): { data: Dataset<A>; args: Args } | null {
    const entry = this.#initial.get(key);
    if (!entry || entry.method !== question.method || !isArgs<Args>(entry.args)) return null;
    if (!isEncoded(entry.result)) return null;
    return { data: Dataset.read<A>(entry.result, entry.buffers.map(fromBase64)), args: entry.args };
  }

  remember(key: string, kept: Kept): void {
    this.#entries.set(key, () => ({ ...kept, buffers: kept.buffers.map(toBase64) }));
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

function isArgs<Args extends object>(value: unknown): value is Args {
  return isRecord(value);
}
