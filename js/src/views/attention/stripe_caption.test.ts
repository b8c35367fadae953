import { expect, it } from "vitest";
import { onStripe } from "./stripe_caption";

const values = {
  baseline: Float32Array.of(0.25, 0.5, 0, 1),
  current: Float32Array.of(0.5, 0.5, 0.5, 0),
};
const shape = { layers: 2, heads: 2 };
const head = { layer: 1, head: 1 };

it("a stripe's weight is that of the head, or the mean over its layer or all heads", () => {
  expect(onStripe(values, { which: "baseline", average: "none" }, head, shape)).toBe(1);
  expect(onStripe(values, { which: "baseline", average: "layer" }, head, shape)).toBe(0.5);
  expect(onStripe(values, { which: "current", average: "all" }, head, shape)).toBe(0.375);
  expect(onStripe(values, { which: "difference", average: "none" }, head, shape)).toBe(-1);
});
