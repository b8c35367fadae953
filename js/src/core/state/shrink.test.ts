import { describe, expect, it } from "vitest";
import { decode } from "./arrays";
import { type Entry, fromBase64, shrunk, toBase64 } from "./shrink";

const SIDE = 40;
const values = Float32Array.from({ length: 2 * SIDE * SIDE }, (_, i) => Math.sin(i) * (i % 7));

const entry: Entry = {
  method: "pattern",
  revision: 1,
  args: { prompt: 0 },
  result: {
    exact: true,
    pool: 1,
    pattern: { buffer: 0, dtype: "float32", shape: [2, SIDE, SIDE], scale: 1, offset: 0 },
  },
  buffers: [toBase64(new DataView(values.buffer))],
};

describe("shrunk", () => {
  it("leaves alone what fits", () => {
    expect(shrunk(entry, 1e6)).toBe(entry);
  });

  it("pools patterns until they fit, and says so", () => {
    const small = shrunk(entry, 2_000);
    expect(JSON.stringify(small).length).toBeLessThan(2_000);
    const result = small?.result as {
      exact: boolean;
      pool: number;
      pattern: Parameters<typeof decode>[0];
    };
    const side = Math.ceil(SIDE / result.pool);
    expect([result.exact, result.pool > 1]).toEqual([false, true]);
    expect(result.pattern.shape).toEqual([2, side, side]);
    const pooled = decode(result.pattern, small?.buffers.map(fromBase64) ?? []).data;
    for (let square = 0; square < 2; square++) {
      for (let row = 0; row < side; row++) {
        for (let col = 0; col < side; col++) {
          let largest = 0;
          for (let q = row * result.pool; q < (row + 1) * result.pool; q++) {
            for (let k = col * result.pool; k < (col + 1) * result.pool; k++) {
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
  });
});
