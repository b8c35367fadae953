import { describe, expect, it } from "vitest";
import { strongestCells } from "./strongest";

describe("the cells whose numbers are written", () => {
  const shade = (value: number) => (value - 4) / 8;

  it("are the farthest from what has no colour, not the largest", () => {
    const values = Float32Array.of(4, 4.1, -4, 12, 3, Number.NaN);
    expect([...strongestCells(values, 2, shade)]).toEqual([2, 3]);
  });

  it("leave out those that change nothing, however many are wanted", () => {
    expect([...strongestCells(Float32Array.of(4, 4.3, 2), 10, shade)]).toEqual([2]);
    expect(strongestCells(new Float32Array(3).fill(4), 10, shade).size).toBe(0);
  });
});
