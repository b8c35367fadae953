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

/**
 * The entry in at most `room` characters: squares of queries by keys may become coarser,
 * as the kernel's do that would not fit a message. Null when that is not enough.
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

/** Each 2 x 2 block of the largest square's cells as its largest magnitude, a byte each. */
function halved(entry: Entry): Entry | null {
  const { result } = entry;
  if (!isRecord(result) || !isRecord(result.variables)) return null;
  const { variables } = result;
  const squares = Object.entries(variables).flatMap(([name, variable]) =>
    isSquare(variable) ? [{ name, variable, ref: variable.values }] : [],
  );
  squares.sort((a, b) => bytesOf(entry, b.ref) - bytesOf(entry, a.ref));
  const [largest] = squares;
  if (!largest) return null;
  const { name, variable, ref } = largest;
  const side = ref.shape.at(-1) ?? 0;

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
  const most = maxAbs(pooled);
  const scale = most > 0 ? most / 127 : 1;
  const byte = (value: number) => (Number.isNaN(value) ? -128 : Math.round(value / scale));
  const bytes = Int8Array.from(pooled, byte);
  const buffers = entry.buffers.map((text, index) =>
    index === ref.buffer ? toBase64(new DataView(bytes.buffer)) : text,
  );
  const shape = [...ref.shape.slice(0, -2), half, half];
  const [rows = 1, columns = 1] = ref.pool ?? [];
  const pool = [2 * rows, 2 * columns];
  const values = { ...ref, dtype: "int8", shape, scale, offset: 0, pool };
  return {
    ...entry,
    result: { ...result, variables: { ...variables, [name]: { ...variable, values } } },
    buffers,
  };
}

/** Whether a variable's last two dimensions are queries and keys, as many of the one as of the other. */
function isSquare(variable: unknown): variable is { dims: string[]; values: ArrayRef } {
  if (!isRecord(variable) || !Array.isArray(variable.dims) || !isArrayRef(variable.values)) {
    return false;
  }
  const [queries, keys] = variable.dims.slice(-2).map(String);
  const [rows = 0, columns = 0] = variable.values.shape.slice(-2);
  const named = queries?.startsWith("query_") === true && keys?.startsWith("key_") === true;
  return named && rows === columns && rows >= 2;
}

function bytesOf(entry: Entry, ref: ArrayRef): number {
  return entry.buffers[ref.buffer]?.length ?? 0;
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
