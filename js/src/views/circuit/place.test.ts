import { describe, expect, it } from "vitest";
import { curveBetween, nodeOf, placesOf, slotOf } from "./place";

describe("the places of nodes", () => {
  const places = placesOf({ layers: 30, heads: 9, width: 300 });

  it("go upwards with the layers, an MLP after the heads of its layer", () => {
    const [embed, early, mlp, late, logits] = ["embed", "L0H0", "L0.mlp", "L1H0", "logits"].map(
      (node) => places.at(node).y,
    );
    const heights = [embed, early, mlp, late, logits];
    expect([...heights].sort((a, b) => Number(b) - Number(a))).toEqual(heights);
  });

  it("are inside, however many there are", () => {
    for (const size of [
      { layers: 2, heads: 4, width: 300 },
      { layers: 48, heads: 32, width: 300 },
      { layers: 4, heads: 8, width: 1200 },
    ]) {
      const { at, width, height } = placesOf(size);
      const last = `L${size.layers - 1}`;
      for (const node of ["embed", "L0H0", `${last}H${size.heads - 1}`, `${last}.mlp`, "logits"]) {
        const { x, y } = at(node);
        expect(x).toBeGreaterThan(0);
        expect(x).toBeLessThan(width);
        expect(y).toBeGreaterThan(0);
        expect(y).toBeLessThan(height);
      }
      expect(height).toBeLessThanOrEqual(520);
    }
  });

  it("name few enough layers to be read", () => {
    const ys = places.labels.map(({ y }) => y);
    for (let i = 1; i < ys.length; i++) {
      expect(Number(ys[i - 1]) - Number(ys[i])).toBeGreaterThanOrEqual(14);
    }
  });
});

it("knows the node that reads", () => {
  expect(["L1H4.q", "L1KV2.k", "L3.mlp", "logits"].map((reader) => nodeOf(reader, 3))).toEqual([
    "L1H4",
    "L1H6",
    "L3.mlp",
    "logits",
  ]);
  expect(["L1H4.q", "L1H4.k", "L1KV0.v", "logits"].map(slotOf)).toEqual([-5, 0, 5, 0]);
});

it("leaves upwards and arrives from below", () => {
  expect(curveBetween({ x: 10, y: 100 }, { x: 50, y: 20 })).toBe("M10 100C10 60 50 60 50 20");
});
