import type { ArrayRef } from "../../generated/messages";

/** A decoded array: row-major, as float32 (exact for float32 and for integers below 2^24). */
export interface NumArray {
  shape: number[];
  data: Float32Array;
}

const BYTES = { uint8: 1, int8: 1, int32: 4, float32: 4 } as const;

/** What the reference describes: value = raw * scale + offset, int8 -128 being NaN. Throws when the buffer is missing or short. */
export function decode(ref: ArrayRef, buffers: readonly DataView[]): NumArray {
  const view = buffers[ref.buffer];
  const size = ref.shape.reduce((product, length) => product * length, 1);
  if (!view || view.byteLength < size * BYTES[ref.dtype]) {
    throw new Error(
      `array ${ref.dtype}[${ref.shape.join(", ")}]: buffer ${ref.buffer} has ${view?.byteLength ?? 0} bytes`,
    );
  }
  return { shape: ref.shape, data: readNumbers(ref, view, size) };
}

function readNumbers(ref: ArrayRef, view: DataView, size: number): Float32Array {
  const { scale, offset } = ref;
  const plain = scale === 1 && offset === 0;
  if (ref.dtype === "float32" && plain && view.byteOffset % 4 === 0) {
    return new Float32Array(view.buffer, view.byteOffset, size);
  }
  const data = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const raw = readRaw(ref.dtype, view, i);
    data[i] = plain ? raw : raw * scale + offset;
    if (ref.dtype === "int8" && raw === -128) data[i] = Number.NaN;
  }
  return data;
}

function readRaw(dtype: ArrayRef["dtype"], view: DataView, i: number): number {
  switch (dtype) {
    case "uint8":
      return view.getUint8(i);
    case "int8":
      return view.getInt8(i);
    case "int32":
      return view.getInt32(4 * i, true);
    case "float32":
      return view.getFloat32(4 * i, true);
  }
}

/** One value; NaN outside the array. */
export function at(array: NumArray, ...index: number[]): number {
  let flat = 0;
  for (let axis = 0; axis < array.shape.length; axis++) {
    const i = index[axis] ?? 0;
    const length = array.shape[axis] ?? 0;
    if (i < 0 || i >= length) return Number.NaN;
    flat = flat * length + i;
  }
  return array.data[flat] ?? Number.NaN;
}

/** The sub-array at the leading indices, without copying. */
export function part(array: NumArray, ...leading: number[]): NumArray {
  const shape = array.shape.slice(leading.length);
  const size = shape.reduce((product, length) => product * length, 1);
  let start = 0;
  for (let axis = 0; axis < leading.length; axis++) {
    start = start * (array.shape[axis] ?? 0) + (leading[axis] ?? 0);
  }
  return { shape, data: array.data.subarray(start * size, (start + 1) * size) };
}

/** Largest magnitude of the finite values; 0 when there is none. */
export function maxAbs(data: Float32Array): number {
  let largest = 0;
  for (const value of data) {
    const size = Math.abs(value);
    if (size > largest && size !== Number.POSITIVE_INFINITY) largest = size;
  }
  return largest;
}

/** Message buffers as views, whatever the host made of them: VS Code sends plain arrays of numbers. */
export function toViews(buffers: unknown): DataView[] {
  return Array.isArray(buffers) ? buffers.map(toView) : [];
}

function toView(buffer: unknown): DataView {
  if (buffer instanceof DataView) return buffer;
  if (buffer instanceof ArrayBuffer) return new DataView(buffer);
  if (ArrayBuffer.isView(buffer)) {
    return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }
  if (Array.isArray(buffer)) {
    return new DataView(Uint8Array.from(buffer, (value) => Number(value)).buffer);
  }
  return new DataView(new ArrayBuffer(0));
}
