import { describe, expect, it } from "vitest";
import { averageWords, isSigned, shownName, unitOf, valueText } from "./kind";
import { poolMax } from "./layout";
import { type Picture, pictureOf, type Sheet } from "./picture";
import { coloured } from "./scale";

const NONE = {
  resource: {
    result: null,
    buffers: [],
    args: null,
    seq: 0,
    revision: -1,
    stale: false,
    partial: false,
    error: null,
  },
  values: null,
};

/** Two layers of two heads on two tokens; the future is masked. */
function sheet(pool = 1): Sheet {
  const heads = [
    [1, Number.NaN, 0.5, 0.5],
    [1, Number.NaN, 0, 1],
    [3, Number.NaN, 2, 4],
    [1, Number.NaN, 4, 2],
  ];
  const data = Float32Array.from(heads.flat());
  return {
    patterns: { shape: [2, 2, 2, 2], data },
    pool,
    which: "current",
    mode: "scores",
    definition: "",
    of: (layer, head) => ({
      shape: [2, 2],
      data: data.subarray(8 * layer + 4 * head, 8 * layer + 4 * head + 4),
    }),
  };
}
const kind = (average: "none" | "layer" | "all") =>
  ({ which: "current", mode: "scores", average }) as const;
const values = (picture: Picture | null) => picture && [...picture.values.data];

describe("what the numbers are", () => {
  it("knows which lie on both sides of zero", () => {
    expect(isSigned({ which: "current", mode: "pattern" })).toBe(false);
    expect(isSigned({ which: "difference", mode: "value" })).toBe(true);
    expect(isSigned({ which: "baseline", mode: "scores" })).toBe(true);
  });

  it("writes each with its unit and its digits", () => {
    expect(unitOf({ which: "difference", mode: "value" })).toBe("Δ attention × |value|");
    expect(valueText(0.5, { which: "current", mode: "pattern" })).toBe("0.5000");
    expect(valueText(-2.25, { which: "current", mode: "scores" })).toBe("−2.250");
    expect(valueText(2.25, { which: "difference", mode: "scores" })).toBe("+2.250");
  });

  it("names heads and means", () => {
    expect(
      ["none", "layer", "all"].map((a) => shownName({ layer: 1, head: 3 }, a as "all")),
    ).toEqual(["L1H3", "L1", "all"]);
    expect(averageWords("layer", "L1")).toBe("mean over the heads of L1");
  });
});

describe("the mean over heads, until its exact values come", () => {
  it("is over the layer's heads, or over all, of what is there", () => {
    const head = { layer: 1, head: 0 };
    expect(values(pictureOf(head, 0, kind("none"), sheet(), NONE))).toEqual([3, Number.NaN, 2, 4]);
    expect(values(pictureOf(head, 0, kind("layer"), sheet(), NONE))).toEqual([2, Number.NaN, 3, 3]);
    expect(values(pictureOf(head, 0, kind("all"), sheet(), NONE))).toEqual([
      1.5,
      Number.NaN,
      1.625,
      1.875,
    ]);
  });

  it("is not guessed from blocks of signed values", () => {
    expect(pictureOf({ layer: 1, head: 0 }, 0, kind("layer"), sheet(2), NONE)).toBeNull();
  });
});

describe("colours", () => {
  it("leave the column of BOS out when asked", () => {
    const one = { shape: [2, 2], data: Float32Array.of(1, 0, 0.9, 0.1) };
    expect([...coloured(one, true)]).toEqual([Number.NaN, 0, Number.NaN, Math.fround(0.1)]);
    expect(coloured(one, false)).toBe(one.data);
  });

  it("of a block are those of its strongest cell; a block without a value has none", () => {
    const data = Float32Array.of(1, -2, Number.NaN, Number.NaN);
    const rows = Float32Array.from([...data, ...data, ...data, ...data]);
    expect([...poolMax(rows, 4, 2)]).toEqual([-2, Number.NaN, -2, Number.NaN]);
  });
});
