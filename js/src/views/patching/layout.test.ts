import { describe, expect, it } from "vitest";
import { axesOf, cellName, type MapOf } from "./layout";

const KEYS: MapOf = {
  node: "k",
  title: "key",
  dims: ["layer", "head"],
  heads: 0,
  n_exact: 0,
  rank_correlation: null,
};

describe("heads on a patching map", () => {
  it("are the model's own where there is a column for each", () => {
    expect(axesOf(KEYS, [2, 9], [], 9).titles.cols).toBe("head");
    const cell = { node: "k", layer: 1, head: 2, pos: null };
    expect(cellName(cell, "key", [], false)).toBe("key of L1H2, all positions");
  });

  it("are named apart where several heads share their keys", () => {
    expect(axesOf(KEYS, [2, 3], [], 9)).toMatchObject({
      cols: ["H0", "H1", "H2"],
      titles: { rows: "layer", cols: "KV head" },
    });
    const cell = { node: "k", layer: 1, head: 2, pos: 0 };
    expect(cellName(cell, "key", ["a"], true)).toBe("key of KV head 2 of layer 1, position 0 “a”");
  });
});
