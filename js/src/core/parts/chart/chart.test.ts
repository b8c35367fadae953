import { describe, expect, it } from "vitest";
import type { LineChartProps } from "./types";
import { extent, inWords, moveCursor, nearestSeries } from "./words";

const LOSS: LineChartProps = {
  label: "loss by position",
  points: ["<bos>", "·When", "·John"],
  axes: { x: "position", y: "loss" },
  units: "nats",
  series: [
    { name: "current", values: [1, Number.NaN, -3], band: [0.5, Number.NaN, 0.25] },
    { name: "baseline", values: [2, 2, null], baseline: true },
  ],
};

describe("a line chart", () => {
  it("says a point with its spread, and what is not known", () => {
    expect(inWords(LOSS, 0)).toBe("<bos>: current 1.000 ± 0.500 nats, baseline 2.000 nats");
    expect(inWords(LOSS, 1)).toBe("·When: current –, baseline 2.000 nats");
    expect(inWords(LOSS, 2)).toBe("·John: current −3.000 ± 0.250 nats, baseline –");
  });

  it("reaches around all values and their bands, and to zero when asked", () => {
    const [lo, hi] = extent(LOSS.series, false);
    expect([lo < -3.25, lo > -4, hi > 2, hi < 3]).toEqual([true, true, true, true]);
    expect(extent([{ name: "a", values: [2, 4] }], true)[0]).toBe(0);
    expect(extent([{ name: "a", values: [2, 4] }], false)[0]).toBeGreaterThan(1);
    expect(extent([{ name: "a", values: [Number.NaN] }], false)).toEqual([0, 1]);
    expect(extent([{ name: "a", values: [3] }], false)).toEqual([2, 4]);
  });

  it("picks the line that is nearest to the pointer", () => {
    expect(nearestSeries(LOSS.series, 0, 1.9)).toBe(1);
    expect(nearestSeries(LOSS.series, 0, 0.2)).toBe(0);
    expect(nearestSeries(LOSS.series, 1, 0)).toBe(1);
  });

  it("moves its cursor by keys, with walls at both ends", () => {
    expect(moveCursor("ArrowRight", null, 3)).toBe(0);
    expect(moveCursor("ArrowLeft", null, 3)).toBe(2);
    expect(moveCursor("ArrowRight", 2, 3)).toBe(2);
    expect(moveCursor("ArrowLeft", 0, 3)).toBe(0);
    expect(moveCursor("End", 0, 3)).toBe(2);
    expect(moveCursor("x", 0, 3)).toBeNull();
  });
});
