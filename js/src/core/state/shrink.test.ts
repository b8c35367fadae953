import { describe, expect, it } from "vitest";
import { Dataset } from "./dataset";
import { type Entry, fromBase64, shrunk, toBase64 } from "./shrink";

interface Answered {
  numbers: "pattern" | "query_pos" | "small";
  texts: never;
  attrs: object;
}

const SIDE = 40;
const values = Float32Array.from({ length: 2 * SIDE * SIDE }, (_, i) => Math.sin(i) * (i % 7));

const exact = { dtype: "float32", scale: 1, offset: 0 };
const entry: Entry = {
  method: "attention/pattern",
  revision: 1,
  args: { prompt: 0 },
  result: {
    dims: { head: 2, query_pos: SIDE, key_pos: SIDE, place: 2 },
    variables: {
      query_pos: { dims: ["query_pos"], values: { ...exact, buffer: 0, shape: [SIDE] } },
      pattern: {
        dims: ["head", "query_pos", "key_pos"],
        values: { ...exact, buffer: 1, shape: [2, SIDE, SIDE] },
      },
      small: { dims: ["place", "place"], values: { ...exact, buffer: 0, shape: [2, 2] } },
    },
    attrs: {},
  },
  buffers: [
    toBase64(new DataView(Float32Array.from({ length: SIDE }, (_, i) => i).buffer)),
    toBase64(new DataView(values.buffer)),
  ],
};

describe("shrunk", () => {
  it("leaves alone what fits", () => {
    expect(shrunk(entry, 1e6)).toBe(entry);
  });

  it("pools squares of queries by keys until they fit, says so, and leaves the rest alone", () => {
    const small = shrunk(entry, 2_500);
    expect(JSON.stringify(small).length).toBeLessThan(2_500);
    const buffers = small?.buffers.map(fromBase64) ?? [];
    const data = Dataset.read<Answered>(small?.result, buffers);
    const [pool, columns] = data.poolOf("pattern");
    expect(columns).toBe(pool);
    expect([data.isExact("pattern"), pool > 1]).toEqual([false, true]);
    expect(data.isExact("query_pos")).toBe(true);
    expect([...data.numbers("query_pos")]).toEqual(Array.from({ length: SIDE }, (_, i) => i));
    const side = Math.ceil(SIDE / pool);
    expect(data.array("pattern").shape).toEqual([2, side, side]);
    const pooled = data.numbers("pattern");
    for (let square = 0; square < 2; square++) {
      for (let row = 0; row < side; row++) {
        for (let col = 0; col < side; col++) {
          let largest = 0;
          for (let q = row * pool; q < (row + 1) * pool; q++) {
            for (let k = col * pool; k < (col + 1) * pool; k++) {
              if (q >= SIDE || k >= SIDE) continue;
              const value = values[(square * SIDE + q) * SIDE + k] ?? 0;
              if (Math.abs(value) > Math.abs(largest)) largest = value;
            }
          }
          const shown = pooled[(square * side + row) * side + col] ?? Number.NaN;
          // Rounded once a halving, to 1/254 of the largest magnitude.
          expect(Math.abs(shown - largest)).toBeLessThan((5 * 6) / 254);
        }
      }
    }
  });

  it("gives up on what cannot become coarser", () => {
    expect(shrunk({ ...entry, result: { text: "x" } }, 100)).toBeNull();
    expect(shrunk(entry, 100)).toBeNull();
  });
});
