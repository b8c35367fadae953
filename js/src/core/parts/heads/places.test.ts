import { describe, expect, it } from "vitest";
import { componentAt, headAt, moveInHeads, namesEvery } from "./places";

describe("a grid of layers by heads", () => {
  const mlps = new Set([0, 2]);
  const move = (layer: number, column: number, key: string) =>
    moveInHeads(key, { layer, column }, 3, 8, mlps);

  it("moves with the arrow keys and skips layers without an MLP", () => {
    expect(move(0, 7, "ArrowRight")).toEqual({ layer: 0, column: 8 });
    expect(move(1, 7, "ArrowRight")).toEqual({ layer: 1, column: 7 });
    expect(move(0, 8, "ArrowDown")).toEqual({ layer: 2, column: 8 });
    expect(move(2, 8, "ArrowDown")).toEqual({ layer: 2, column: 8 });
    expect(move(1, 3, "ArrowUp")).toEqual({ layer: 0, column: 3 });
    expect(move(0, 0, "ArrowLeft")).toEqual({ layer: 0, column: 0 });
  });

  it("goes to the ends of a layer and of a column", () => {
    expect(move(1, 3, "Home")).toEqual({ layer: 1, column: 0 });
    expect(move(1, 3, "End")).toEqual({ layer: 1, column: 7 });
    expect(move(2, 3, "End")).toEqual({ layer: 2, column: 8 });
    expect(move(1, 3, "PageDown")).toEqual({ layer: 2, column: 3 });
    expect(moveInHeads("PageDown", { layer: 0, column: 8 }, 4, 8, mlps)).toEqual({
      layer: 2,
      column: 8,
    });
    expect(move(2, 8, "PageUp")).toEqual({ layer: 0, column: 8 });
    expect(move(2, 8, "a")).toBeNull();
  });

  it("names its cells as TransformerLens does", () => {
    expect(componentAt({ layer: 1, column: 4 }, 8)).toBe("L1H4");
    expect(componentAt({ layer: 1, column: 8 }, 8)).toBe("L1.mlp");
    expect(headAt({ layer: 1, column: 4 }, 8)).toEqual({ layer: 1, head: 4 });
    expect(headAt({ layer: 1, column: 8 }, 8)).toBeNull();
  });

  it("names columns without letting names touch", () => {
    expect(namesEvery(40, 8)).toBe(1);
    expect(namesEvery(17, 32) * 17).toBeGreaterThanOrEqual(22);
    expect(namesEvery(20, 32)).toBe(2);
  });
});
