import { describe, expect, it } from "vitest";
import { isBeyond, shadeOf } from "../../core/draw/canvas";
import { palette } from "../../core/draw/color";
import { scaleKind, strongEnd } from "./scale";

/** A causal pattern: most of each row on the first key, `peak` on the token before, the rest alike. */
function sink(n: number, peak: number) {
  const data = new Float32Array(n * n).fill(Number.NaN);
  for (let q = 0; q < n; q++) {
    for (let k = 0; k <= q; k++) data[q * n + k] = k === 0 ? 0.9 : k === q - 1 ? peak : 0.001;
  }
  return { shape: [n, n], data };
}

describe("the end of an automatic scale", () => {
  it("is where most rows have their strongest cell, whatever the first key has", () => {
    expect(strongEnd(sink(300, 0.03), 1, null)).toBeCloseTo(0.03);
  });

  it("is not moved by a few strong rows", () => {
    const pattern = sink(300, 0.03);
    for (let q = 10; q < 60; q++) pattern.data[q * 300 + 5] = 0.8;
    expect(strongEnd(pattern, 1, null)).toBeCloseTo(0.03);
  });

  it("follows what is on show", () => {
    const pattern = sink(300, 0.03);
    for (let q = 100; q < 120; q++) pattern.data[q * 300 + 104] = 0.5;
    expect(strongEnd(pattern, 1, { q0: 100, k0: 96, span: 20 })).toBeCloseTo(0.5);
    expect(strongEnd(pattern, 1, { q0: 200, k0: 100, span: 20 })).toBeCloseTo(0.001);
  });

  it("knows blocks of positions", () => {
    const pattern = sink(100, 0.03);
    for (let q = 50; q < 60; q++) pattern.data[q * 100 + 40] = 0.5;
    expect(strongEnd(pattern, 4, { q0: 200, k0: 160, span: 40 })).toBeCloseTo(0.5);
  });

  it("is the largest where the first key is all there is", () => {
    expect(strongEnd({ shape: [1, 1], data: Float32Array.of(1) }, 1, null)).toBe(1);
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
