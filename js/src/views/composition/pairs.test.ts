import { describe, expect, it } from "vitest";
import { headNames, pairAt, strongest } from "./pairs";

describe("pairs of heads", () => {
  it("numbers heads through the layers, destinations from their first layer", () => {
    expect(headNames(2, 2, 3)).toEqual(["L2H0", "L2H1", "L2H2", "L3H0", "L3H1", "L3H2"]);
    expect(pairAt(4, 1, 2, 3)).toEqual({
      writer: { layer: 1, head: 1 },
      reader: { layer: 2, head: 1 },
    });
  });

  it("finds the strongest, without those that have no score", () => {
    const scores = Float32Array.of(0.1, Number.NaN, 0.4, -0.2, 0.3, 0.2);
    const found = strongest(scores, 3, 1, 3, 2);
    expect(found.map(({ value }) => value)).toEqual([Math.fround(0.4), Math.fround(0.3)]);
    expect(found[0]).toMatchObject({
      writer: { layer: 0, head: 0 },
      reader: { layer: 1, head: 2 },
    });
    expect(strongest(scores, 3, 1, 3, 10)).toHaveLength(5);
    expect(strongest(Float32Array.of(Number.NaN), 1, 1, 1, 3)).toEqual([]);
  });
});
