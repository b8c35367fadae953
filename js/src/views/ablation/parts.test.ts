import { expect, test } from "vitest";
import { strongestParts, valueOfPart } from "./parts";

const heads = { shape: [2, 3], data: Float32Array.of(0, 4, 0.01, -5, 0, 1) };
const mlps = { shape: [2], data: Float32Array.of(Number.NaN, -2) };

test("the strongest heads and MLPs are named together, those near zero never", () => {
  expect(strongestParts(heads, mlps, 5)).toEqual(new Set(["L1H0", "L0H1", "L1.mlp", "L1H2"]));
  const many = { shape: [30, 9], data: new Float32Array(270).fill(0.5, 0, 100) };
  expect(strongestParts(many, { shape: [30], data: new Float32Array(30) }, 1).size).toBe(10);
  expect(strongestParts(null, null, 1).size).toBe(0);
});

test("a part's value is found by its name", () => {
  expect(valueOfPart("L1H0", heads, mlps)).toBe(-5);
  expect(valueOfPart("L1.mlp", heads, mlps)).toBe(-2);
  expect(valueOfPart("L0.mlp", heads, mlps)).toBeNaN();
  expect(valueOfPart("L0H1", null, null)).toBeNaN();
});
