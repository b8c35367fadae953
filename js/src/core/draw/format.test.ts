import { describe, expect, it } from "vitest";
import { brief, change, fixed, headLabel, niceCeil, parseHead, percent, signed } from "./format";

describe("numbers", () => {
  it.each([
    [3.551, "3.55"],
    [-0.25, "−0.25"],
    [-0.001, "0.00"],
    [0, "0.00"],
    [null, "–"],
    [Number.NaN, "–"],
    [Number.POSITIVE_INFINITY, "∞"],
  ])("fixed(%s) is %s", (value, text) => expect(fixed(value)).toBe(text));

  it.each([
    [2, "+2.00"],
    [-2, "−2.00"],
    [0.001, "0.00"],
    [null, "–"],
  ])("signed(%s) is %s", (value, text) => expect(signed(value)).toBe(text));

  it("writes the ends of scales briefly", () => {
    expect(brief(6)).toBe("6");
    expect(brief(-0.05)).toBe("−0.05");
    expect(percent(0.9456)).toBe("94.6 %");
  });

  it("subtracts only what is known", () => {
    expect(change(3, 1)).toBe(-2);
    expect(change(null, 1)).toBeNull();
    expect(change(3, undefined)).toBeNull();
  });

  it.each([
    [0.34, 0.5],
    [0.2, 0.2],
    [0.011, 0.02],
    [7, 10],
    [0, 1],
    [Number.NaN, 1],
  ])("niceCeil(%s) is %s", (value, end) => expect(niceCeil(value)).toBe(end));
});

it("names heads as TransformerLens does, both ways", () => {
  expect(headLabel(9, 6)).toBe("L9H6");
  expect(parseHead("L11H10")).toEqual({ layer: 11, head: 10 });
  for (const other of ["L1.mlp", "embed", "xL1H2", "L1H", ""]) expect(parseHead(other)).toBeNull();
});
