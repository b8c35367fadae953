import { describe, expect, it } from "vitest";
import { Dataset } from "../../core/state/dataset";
import type { Bars } from "../../generated/data";
import { barText, histogramOf, rangeText, shareOf, shortened, ticksOf } from "./bars";

function told(names: string[], counts: number[][], edges: number[]): Dataset<Bars> {
  const row = (values: number[]) => ({ dims: ["group"], values });
  const dims = { group: names.length, bin: edges.length - 1, bound: edges.length };
  const variables = {
    group: { dims: ["group"], values: names },
    edge: { dims: ["bound"], values: edges },
    count: { dims: ["group", "bin"], values: counts },
    n: row(counts.map((own) => own.reduce((sum, one) => sum + one, 0))),
    mean: row(names.map(() => 0.5)),
    sem: row(names.map(() => 0.1)),
  };
  return Dataset.read<Bars>({ dims, variables, attrs: {} }, []);
}

describe("a histogram", () => {
  const two = histogramOf(
    told(
      ["a", "b"],
      [
        [1, 0],
        [2, 3],
      ],
      [-1, 0, 1],
    ),
  );

  it("stacks the groups of each bar", () => {
    expect(two.bars.map(({ counts, total }) => [counts, total])).toEqual([
      [[1, 2], 3],
      [[0, 3], 3],
    ]);
    expect([two.most, two.low, two.high]).toEqual([3, -1, 1]);
    expect(shareOf(0, two)).toBe(0.5);
  });

  it("says a bar in words", () => {
    const [first, second] = two.bars;
    expect(first && barText(first, two.groups)).toBe("−1 to 0: 3 records, 1 a, 2 b");
    expect(second && barText(second, two.groups)).toBe("0 to 1: 3 records, 3 b");
    const one = histogramOf(told([""], [[1]], [2, 3]));
    expect(one.bars[0] && barText(one.bars[0], one.groups)).toBe("2 to 3: 1 record");
    expect(rangeText({ low: -0.25, high: 0.5 })).toBe("−0.25 to 0.5");
  });

  it("writes zero where it has room", () => {
    expect(ticksOf(two).map(({ value }) => value)).toEqual([-1, 0, 1]);
    const beside = histogramOf(told([""], [[1]], [-0.01, 1]));
    expect(ticksOf(beside).map(({ value }) => Math.round(value))).toEqual([-0, 1]);
  });

  it("gives colours to the largest groups, and draws the others together", () => {
    const names = Array.from({ length: 10 }, (_, at) => `g${at}`);
    const many = histogramOf(
      told(
        names,
        names.map((_, at) => [at]),
        [0, 1],
      ),
    );
    expect(many.groups.filter(({ color }) => color === null).map(({ name }) => name)).toEqual([
      "g0",
      "g1",
      "g2",
    ]);
  });
});

describe("a prompt in a row", () => {
  it("is whole, or its beginning and its end, on one line", () => {
    expect(shortened("John gave\nto")).toBe("John gave↵to");
    const long = shortened(`start ${"x".repeat(500)} end`);
    expect([long.length, long.startsWith("start"), long.endsWith("end")]).toEqual([
      143,
      true,
      true,
    ]);
  });
});
