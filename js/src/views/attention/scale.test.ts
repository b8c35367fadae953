import { describe, expect, it } from "vitest";
import { isBeyond, shadeOf } from "../../core/draw/canvas";
import { palette } from "../../core/draw/color";
import type { NumArray } from "../../core/state/arrays";
import { scaleKind, strongEnd } from "./scale";

/** A causal pattern: most of each row on the first key, `peak` on the token before, the rest alike. */
function sink(n: number, peak: number) {
  const data = new Float32Array(n * n).fill(Number.NaN);
  for (let q = 0; q < n; q++) {
    for (let k = 0; k <= q; k++) data[q * n + k] = k === 0 ? 0.9 : k === q - 1 ? peak : 0.001;
  }
  return { shape: [n, n], data };
}

/** All of a pattern, as blocks of `pool`. */
const whole = (values: NumArray, pool = 1) => ({ values, pool, q0: 0, k0: 0 });

describe("the end of an automatic scale", () => {
  it("is where most rows have their strongest cell, whatever the first key has", () => {
    expect(strongEnd(whole(sink(300, 0.03)), null)).toBeCloseTo(0.03);
  });

  it("is not moved by a few strong rows", () => {
    const pattern = sink(300, 0.03);
    for (let q = 10; q < 60; q++) pattern.data[q * 300 + 5] = 0.8;
    expect(strongEnd(whole(pattern), null)).toBeCloseTo(0.03);
  });

  it("follows what is on show", () => {
    const pattern = sink(300, 0.03);
    for (let q = 100; q < 120; q++) pattern.data[q * 300 + 104] = 0.5;
    expect(strongEnd(whole(pattern), { q0: 100, k0: 96, span: 20 })).toBeCloseTo(0.5);
    expect(strongEnd(whole(pattern), { q0: 200, k0: 100, span: 20 })).toBeCloseTo(0.001);
  });

  it("knows blocks of positions", () => {
    const pattern = sink(100, 0.03);
    for (let q = 50; q < 60; q++) pattern.data[q * 100 + 40] = 0.5;
    expect(strongEnd(whole(pattern, 4), { q0: 200, k0: 160, span: 40 })).toBeCloseTo(0.5);
  });

  it("is that of an exact part, whose first key is any other", () => {
    const values = { shape: [20, 20], data: new Float32Array(400).fill(0.001) };
    for (let q = 0; q < 20; q++) values.data[q * 20] = 0.25;
    const zoom = { q0: 102, k0: 40, span: 10 };
    expect(strongEnd({ values, pool: 1, q0: 100, k0: 40 }, zoom)).toBeCloseTo(0.25);
    expect(strongEnd({ values, pool: 1, q0: 100, k0: 40 }, { ...zoom, k0: 41 })).toBeCloseTo(0.001);
    expect(strongEnd({ values, pool: 1, q0: 100, k0: 0 }, { ...zoom, k0: 0 })).toBeCloseTo(0.001);
  });

  it("is the largest where the first key is all there is", () => {
    expect(strongEnd(whole({ shape: [1, 1], data: Float32Array.of(1) }), null)).toBe(1);
  });
});

describe("the kind of scale", () => {
  it("is what was chosen, else automatic for long prompts", () => {
    expect([scaleKind(null, 40), scaleKind(null, 220)]).toEqual(["fixed", "auto"]);
    expect([scaleKind("root", 220), scaleKind("fixed", 220)]).toEqual(["root", "fixed"]);
  });

  it("of square roots shows a hundredth as a tenth, and keeps signs", () => {
    const { sequential, diverging } = palette();
    const ramp = { scale: sequential, hi: 1, root: true };
    expect(shadeOf(0.01, ramp)).toBeCloseTo(0.1);
    expect(shadeOf(-0.25, { ...ramp, scale: diverging })).toBeCloseTo(-0.5);
    expect([isBeyond(1, ramp), isBeyond(1.1, ramp)]).toEqual([false, true]);
  });
});
