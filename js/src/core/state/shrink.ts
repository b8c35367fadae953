import type { ArrayRef } from "../../generated/messages";
import { decode, maxAbs } from "./arrays";
import { isRecord } from "./model";

/** A result as it is kept: plain JSON, the buffers as text. */
export interface Entry {
  method: string;
  args: unknown;
  /** The session's revision when it was computed. */
  revision: number;
  result: unknown;
  buffers: string[];
}

/** The fields that hold weights by query and key, in results that say how far theirs are pooled. */
const SQUARES = ["patterns", "pattern"] as const;

/**
 * The entry in at most `room` characters: patterns may become coarser, as the kernel's do that would
 * not fit a message. Null when that is not enough.
 */
export function shrunk(entry: Entry, room: number): Entry | null {
  let kept = entry;
  while (JSON.stringify(kept).length > room) {
    const coarser = halved(kept);
    if (!coarser) return null;
    kept = coarser;
  }
  return kept;
}

/** Each 2 x 2 block of cells as its largest magnitude, a byte each. */
function halved(entry: Entry): Entry | null {
  const { result } = entry;
  if (!isRecord(result) || typeof result.pool !== "number") return null;
  const field = SQUARES.find((name) => isArrayRef(result[name]));
  const ref = field && result[field];
  if (!field || !isArrayRef(ref)) return null;
  const side = ref.shape.at(-1) ?? 0;
  if (side < 2 || ref.shape.at(-2) !== side) return null;

  const { data } = decode(ref, entry.buffers.map(fromBase64));
  const half = Math.ceil(side / 2);
  const pooled = new Float32Array((data.length / (side * side)) * half * half).fill(Number.NaN);
  for (let i = 0; i < data.length; i++) {
    const square = Math.floor(i / (side * side));
    const row = Math.floor(i / side) % side;
    const at = (square * half + (row >> 1)) * half + ((i % side) >> 1);
    const value = data[i] ?? Number.NaN;
    // Not "larger": what is masked is NaN, and any value counts more.
    if (!(Math.abs(value) <= Math.abs(pooled[at] ?? 0)) && !Number.isNaN(value)) pooled[at] = value;
  }
  const largest = maxAbs(pooled);
  const scale = largest > 0 ? largest / 127 : 1;
  const byte = (value: number) => (Number.isNaN(value) ? -128 : Math.round(value / scale));
  const bytes = Int8Array.from(pooled, byte);
  const buffers = entry.buffers.map((text, index) =>
    index === ref.buffer ? toBase64(new DataView(bytes.buffer)) : text,
  );
  const shape = [...ref.shape.slice(0, -2), half, half];
  const array = { ...ref, dtype: "int8", shape, scale, offset: 0 };
  const exact = "exact" in result ? { exact: false } : {};
  return {
    ...entry,
    result: { ...result, ...exact, [field]: array, pool: 2 * result.pool },
    buffers,
  };
}

function isArrayRef(value: unknown): value is ArrayRef {
  return isRecord(value) && typeof value.dtype === "string" && Array.isArray(value.shape);
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
