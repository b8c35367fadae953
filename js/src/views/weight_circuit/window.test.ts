import { describe, expect, it } from "vitest";
import { around, panned, SIZE, START, zoomed } from "./window";

const SHAPE = [50257, 50257];

describe("the window on a circuit", () => {
  it("moves by less than what is in sight and stops at the edges", () => {
    expect(panned(START, 1, 0, SHAPE)).toEqual({ row: 36, col: 0, pool: 1 });
    expect(panned(START, -1, -1, SHAPE)).toEqual(START);
    const last = panned({ row: 50200, col: 0, pool: 1 }, 9, 0, SHAPE);
    expect(last.row).toBe(50257 - SIZE);
  });

  it("zooms around its middle", () => {
    const from = { row: 1000, col: 2000, pool: 1 };
    const out = zoomed(from, true, 32, SHAPE);
    expect(out).toEqual({ row: 976, col: 1976, pool: 2 });
    expect(zoomed(out, false, 32, SHAPE)).toEqual(from);
    expect(zoomed(from, false, 32, SHAPE)).toEqual(from);
    expect(zoomed({ ...from, pool: 32 }, true, 32, SHAPE).pool).toBe(32);
  });

  it("shows all of a circuit that is smaller than itself", () => {
    expect(zoomed({ row: 5, col: 5, pool: 1 }, true, 2, [60, 60])).toEqual({
      row: 0,
      col: 0,
      pool: 2,
    });
    expect(around(30, 2, [60, 60])).toEqual({ row: 6, col: 0, pool: 1 });
  });
});
