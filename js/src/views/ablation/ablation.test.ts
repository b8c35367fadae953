import { describe, expect, it } from "vitest";
import { cellText, gridScale, interventionText, share } from "./format";
import { fitsCell, gridSize } from "./layout";

describe("the grid", () => {
  it("shows 32 layers at once in rows that can be hit and read", () => {
    for (const heads of [9, 32]) {
      const { cellHeight, cellWidth, gap } = gridSize(heads === 9 ? 415 : 944, 32, heads, true);
      expect(cellHeight).toBeGreaterThanOrEqual(16);
      expect(32 * (cellHeight + gap)).toBeLessThanOrEqual(560);
      expect(cellWidth).toBeGreaterThanOrEqual(24);
    }
    expect(gridSize(300, 96, 96, true)).toMatchObject({ cellWidth: 8, cellHeight: 16 });
  });

  it("writes values where they are not clipped", () => {
    expect(fitsCell("\u221212.3", 33)).toBe(false);
    expect(fitsCell("\u221212.3", 38)).toBe(true);
    expect(fitsCell(".31", 25)).toBe(true);
    expect(fitsCell(".31", 12)).toBe(false);
  });

  it.each([
    [410, 30, 9],
    [440, 2, 8],
    [620, 4, 8],
    [620, 12, 12],
    [510, 32, 32],
    [1500, 32, 32],
  ])("fits %i px with %i x %i heads", (room, layers, heads) => {
    const { cellWidth, gap, mlpWidth } = gridSize(room, layers, heads, true);
    expect(6 + 30 + heads * (cellWidth + gap) + 16 + mlpWidth).toBeLessThanOrEqual(room);
  });
});

describe("values in cells", () => {
  it("are scaled around zero by what is known", () => {
    expect(gridScale(Float32Array.of(1, -4.6, Number.NaN), Float32Array.of(2))).toBe(5);
    expect(gridScale(Float32Array.of(Number.NaN), new Float32Array(0))).toBe(1);
    expect(share(-2.3, 4.6)).toBeCloseTo(-0.5);
    expect(share(9, 4.6)).toBe(1);
    expect(share(Number.NaN, 4.6)).toBe(0);
    expect(share(1, 0)).toBe(0);
  });

  it("are short, with a true minus, and blank where they round to nothing", () => {
    expect(cellText(-4.61, 4.61)).toBe("\u22124.6");
    expect(cellText(0.04, 4.61)).toBe("");
    expect(cellText(0.31, 0.5)).toBe(".31");
    expect(cellText(-0.042, 0.05)).toBe("\u2212.042");
    expect(cellText(Number.NaN, 1)).toBe("");
  });

  it("name kind and positions once", () => {
    expect(interventionText("mean", "all positions")).toBe("mean · all positions");
    expect(interventionText("mean", "mean · all positions")).toBe("mean · all positions");
    expect(interventionText("zero", "")).toBe("zero");
  });
});
