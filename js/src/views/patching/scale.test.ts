import { describe, expect, it } from "vitest";
import { patchScale } from "./scale";

const RUNS = { clean: 4, corrupted: -4 };
const SHARES = { ...RUNS, unpatched: 0, full: 1, units: "fraction restored" };

describe("the scale of patching maps", () => {
  it("stays 0 to 1 whatever a single cell is", () => {
    const into = { patch_into: "corrupted", normalize: true } as const;
    for (const largest of [0.2, 1, 1.06, 30]) {
      const scale = patchScale(SHARES, into, [Float32Array.of(0, largest)]);
      expect(scale).toMatchObject({ center: 0, hi: 1, flipped: false, ends: ["\u22121", "1"] });
      expect(scale.said).toBe("fraction restored; 0 is the unpatched run");
    }
  });

  it("is red where the answer breaks, though the broken share grows", () => {
    const into = { patch_into: "clean", normalize: true } as const;
    const scale = patchScale({ ...SHARES, units: "fraction broken" }, into, []);
    expect(scale).toMatchObject({ center: 0, hi: 1, flipped: true, ends: ["1", "\u22121"] });
  });

  it("starts from the run that is patched when the metric itself is shown", () => {
    const logits = { ...RUNS, units: "logits" };
    const noising = { patch_into: "clean", normalize: false } as const;
    const scale = patchScale({ ...logits, unpatched: 4, full: -4 }, noising, []);
    expect(scale).toMatchObject({ center: 4, hi: 8, flipped: false, ends: ["\u22124", "12"] });
    expect(scale.said).toBe("logits; 4 is the unpatched run");
    const restoring = { patch_into: "corrupted", normalize: false } as const;
    const back = patchScale({ ...logits, unpatched: -4, full: 4 }, restoring, []);
    expect(back).toMatchObject({ center: -4, hi: 8, ends: ["\u221212", "4"] });
  });

  it("goes as far as the values where both runs have the same metric", () => {
    const same = { clean: 2, corrupted: 2, unpatched: 2, full: 2, units: "logits" };
    const into = { patch_into: "corrupted", normalize: false } as const;
    expect(patchScale(same, into, [Float32Array.of(2.3, Number.NaN)])).toMatchObject({ hi: 0.5 });
  });
});
