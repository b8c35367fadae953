import { describe, expect, it } from "vitest";
import type { ArrayRef } from "../../generated/messages";
import { at, decode, maxAbs, part, toViews } from "./arrays";

const ref = (dtype: ArrayRef["dtype"], shape: number[], scale = 1, offset = 0): ArrayRef => ({
  buffer: 0,
  dtype,
  shape,
  scale,
  offset,
});
const floats = (...values: number[]) => new DataView(Float32Array.from(values).buffer);

describe("decode", () => {
  it("keeps float32 exactly", () => {
    const values = [0.1, -1e-30, 3.4e38, 0.8712994];
    const { data } = decode(ref("float32", [2, 2]), [floats(...values)]);
    expect([...data]).toEqual(values.map(Math.fround));
  });

  it("reads float32 at an odd byte offset", () => {
    const bytes = new Uint8Array(9);
    bytes.set(new Uint8Array(Float32Array.of(1.5, -2.25).buffer), 1);
    const { data } = decode(ref("float32", [2]), toViews([bytes.subarray(1)]));
    expect([...data]).toEqual([1.5, -2.25]);
  });

  it("scales uint8 and int8", () => {
    const view = new DataView(Uint8Array.of(0, 129, 255).buffer);
    expect(decode(ref("uint8", [3], 1 / 255), [view]).data[2]).toBe(1);
    expect([...decode(ref("int8", [3], 0.5, 1), [view]).data]).toEqual([1, -62.5, 0.5]);
  });

  it("reads little-endian int32", () => {
    const view = new DataView(Int32Array.of(-7, 50256).buffer);
    expect([...decode(ref("int32", [2]), [view]).data]).toEqual([-7, 50256]);
  });

  it("names what is wrong with a short or missing buffer", () => {
    expect(() => decode(ref("float32", [3]), [floats(1, 2)])).toThrow("float32[3]");
    expect(() => decode(ref("uint8", [1]), [])).toThrow("buffer 0 has 0 bytes");
  });
});

describe("indexing", () => {
  const array = { shape: [2, 3, 2], data: Float32Array.from({ length: 12 }, (_, i) => i) };

  it("is row-major and NaN outside", () => {
    expect(at(array, 1, 2, 1)).toBe(11);
    expect(at(array, 0, 1, 0)).toBe(2);
    expect(at(array, 2, 0, 0)).toBeNaN();
    expect(at(array, 0, -1, 0)).toBeNaN();
  });

  it("takes parts without copying", () => {
    const row = part(array, 1, 0);
    expect(row.shape).toEqual([2]);
    expect([...row.data]).toEqual([6, 7]);
    expect(row.data.buffer).toBe(array.data.buffer);
  });
});

it("maxAbs ignores what is not finite", () => {
  expect(maxAbs(Float32Array.of(1, -3, Number.NaN, Number.POSITIVE_INFINITY))).toBe(3);
  expect(maxAbs(new Float32Array(0))).toBe(0);
});
