import { describe, expect, it } from "vitest";
import { bandPath, chartLayout, evenTicks, FROM_ZERO, linePath, nearest } from "./layout";
import type { LineChartProps } from "./types";
import { hasSpread, inWords, moveCursor } from "./words";

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
    expect(LOSS.series.map(hasSpread)).toEqual([true, false]);
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

describe("the layout of a line chart", () => {
  const names = ["0_pre", "1_pre", "final_post"];
  const of = (values: number[]) => chartLayout(names, [{ name: "a", values }], FROM_ZERO, 400, 220);

  it("has round ticks past both ends", () => {
    expect(evenTicks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(evenTicks(-1.2, 3.4)).toEqual([-2, -1, 0, 1, 2, 3, 4]);
  });

  it("keeps every value, its error and zero inside", () => {
    const drawn = { name: "a", values: [2, 3, 5], band: [0.5, Number.NaN, 1] };
    const layout = chartLayout(names, [drawn], FROM_ZERO, 400, 220);
    for (const value of [0, 1.5, 6]) {
      expect(layout.y(value)).toBeGreaterThanOrEqual(layout.top);
      expect(layout.y(value)).toBeLessThanOrEqual(layout.floor);
    }
    expect(layout.y(5)).toBeLessThan(layout.y(2));
    expect(layout.x(2)).toBeLessThan(layout.right);
    expect(of([Number.NaN]).ticks.length).toBeGreaterThan(1);
  });

  it("finds the point nearest to the mouse", () => {
    const layout = of([1, 2, 3]);
    expect(names.map((_, i) => nearest(layout.x(i) + 3, layout))).toEqual([0, 1, 2]);
    expect(nearest(-50, layout)).toBe(0);
    expect(nearest(5000, layout)).toBe(2);
  });

  it("turns names that would touch, then leaves some out", () => {
    expect(of([1, 2, 3])).toMatchObject({ turned: false, every: 1 });
    const many = Array.from({ length: 100 }, (_, i) => `${i}_pre`);
    const layout = chartLayout(many, [{ name: "a", values: [1] }], FROM_ZERO, 400, 220);
    expect(layout.turned).toBe(true);
    expect(layout.every * layout.step).toBeGreaterThanOrEqual(15);
  });

  it("puts the first rank on top of a scale of ranks", () => {
    const scale = { to: (r: number) => -Math.log10(1 + r), ticks: [0, 10, 100], includes: [0, 10] };
    const layout = chartLayout(names, [{ name: "a", values: [50, 8, 0] }], scale, 400, 220);
    expect(layout.ticks.map(({ value }) => value)).toEqual([0, 10]);
    expect(layout.y(0)).toBe(layout.top);
    expect(layout.y(50)).toBe(layout.floor);
  });

  it("draws no line and no band over what is not known", () => {
    const values = [1, Number.NaN, 3];
    const layout = of(values);
    const at = (i: number, value: number) =>
      `${layout.x(i).toFixed(2)},${layout.y(value).toFixed(2)}`;
    expect(linePath(values, layout)).toBe(`M${at(0, 1)}h0M${at(2, 3)}h0`);
    expect(linePath([1, 2], layout)).toBe(`M${at(0, 1)}L${at(1, 2)}h0`);
    const series = { name: "a", values: [1, 2, 3], band: [0.5, 0.25, Number.NaN] };
    const corners = [at(0, 1.5), at(1, 2.25), at(1, 1.75), at(0, 0.5)];
    expect(bandPath(series, layout)).toBe(`M${corners.join("L")}Z`);
    expect(bandPath({ name: "a", values }, layout)).toBe("");
  });
});
