import { describe, expect, it } from "vitest";
import { axesOf, cellName, type MapOf, sharers, shortName, trust, trustTitle } from "./layout";

const KEYS: MapOf = {
  node: "k",
  title: "key",
  dims: ["layer", "head"],
  heads: 0,
  n_exact: 0,
  method: null,
  linear_correlation: null,
  rank_correlation: null,
};

describe("heads on a patching map", () => {
  it("are the model's own where there is a column for each", () => {
    expect(axesOf(KEYS, [2, 9], [], 9).titles.cols).toBe("head");
    const cell = { node: "k", layer: 1, head: 2, pos: null };
    expect(cellName(cell, "key", [], { here: 9, model: 9 })).toBe("key of L1H2, all positions");
  });

  it("are named apart where several heads share their keys", () => {
    expect(axesOf(KEYS, [2, 3], [], 9)).toMatchObject({
      cols: ["H0–H2", "H3–H5", "H6–H8"],
      titles: { rows: "layer", cols: "KV head" },
      note: " · 3 KV heads",
    });
    const cell = { node: "k", layer: 1, head: 2, pos: 0 };
    expect(cellName(cell, "key", ["a"], { here: 3, model: 9 })).toBe(
      "key of KV 2 (H6–H8) in layer 1, position 0 “a”",
    );
    expect(sharers(0, 1, 1)).toBe("H0");
    expect(shortName(axesOf(KEYS, [2, 3], [], 9), 1, 2)).toBe("L1 H6–H8");
    expect(shortName(axesOf(KEYS, [2, 9], [], 9), 1, 2)).toBe("L1H2");
  });
});

describe("what is said of a map's estimates", () => {
  it("names the method, how well it agrees, and with how many cells", () => {
    const linear_correlation = 0.967;
    const known = { ...KEYS, method: "relp", linear_correlation, n_exact: 40 } as const;
    expect(trust(known)).toBe("relp, r\u00a0=\u00a00.97 · 40 exact");
    expect(trustTitle({ ...known, rank_correlation: 0.9 })).toBe(
      "Estimates by relp, r = 0.97 over 40 exact cells (by rank 0.90)",
    );
    expect(trust({ ...known, linear_correlation: null, n_exact: 1 })).toBe("relp · 1 exact");
    expect(trust(KEYS)).toBe("0 exact");
  });
});
