import { describe, expect, it } from "vitest";
import { indices, isPart, labels, type Side, span, spoken } from "./axes";

const tokens = ["<bos>", "When", "John"];
const side = (more: Partial<Side>): Side => ({
  dim: "pos",
  start: 0,
  pool: 1,
  cells: 3,
  size: 3,
  ...more,
});

describe("the sides of a slice", () => {
  it("are named by tokens, heads or numbers", () => {
    expect(labels(side({}), tokens)).toEqual(["<bos>", "When", "John"]);
    expect(labels(side({ dim: "head", start: 4 }), tokens)).toEqual(["H4", "H5", "H6"]);
    expect(labels(side({ dim: "d_mlp", pool: 5, size: 12 }), tokens)).toEqual(["0", "5", "10"]);
    expect(labels(side({ dim: "", cells: 1 }), tokens)).toEqual([""]);
    expect(indices(side({ start: 10, pool: 2 }))).toEqual([10, 12, 14]);
  });

  it("say which numbers a cell stands for", () => {
    expect(spoken(side({}), 2, "John")).toBe("position 2 John");
    expect(spoken(side({ dim: "d_mlp", pool: 5, size: 12 }), 2, "10")).toBe("d_mlp 10 to 11");
    expect(spoken(side({ dim: "" }), 0, "")).toBe("");
    expect(span(side({ dim: "query_pos", start: 20, cells: 80, size: 100 }))).toBe(
      "query 20 to 99 of 100",
    );
    expect([side({}), side({ size: 4 }), side({ pool: 2, size: 5 })].map(isPart)).toEqual([
      false,
      true,
      false,
    ]);
  });
});
