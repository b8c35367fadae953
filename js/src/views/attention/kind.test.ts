import { describe, expect, it } from "vitest";
import { Dataset } from "../../core/state/dataset";
import type { PromptTokens } from "../../core/state/tokens";
import type { Pattern, Patterns } from "../../generated/attention";
import { averageWords, isSigned, shownName, unitOf, valueText } from "./kind";
import { poolMax } from "./layout";
import { type Picture, pictureOf, readSheet, type Sheet } from "./picture";
import { coloured } from "./scale";

const NONE = { data: null, args: null };

/** The prompt "a b". */
const TOKENS: PromptTokens = {
  prompt: 0,
  list: [
    { id: 0, text: "a" },
    { id: 1, text: "b" },
  ],
  texts: ["a", "b"],
  attrs: {
    prompt: 0,
    n_prompts: 1,
    text: "a b",
    correct: "",
    wrong: "",
    corrupted: null,
    bos: true,
    added: [{ id: 0, text: "a" }],
    template: null,
    spans: {},
  },
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
    tokens: TOKENS,
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
    expect(values(pictureOf(head, kind("none"), sheet(), NONE))).toEqual([3, Number.NaN, 2, 4]);
    expect(values(pictureOf(head, kind("layer"), sheet(), NONE))).toEqual([2, Number.NaN, 3, 3]);
    expect(values(pictureOf(head, kind("all"), sheet(), NONE))).toEqual([
      1.5,
      Number.NaN,
      1.625,
      1.875,
    ]);
  });

  it("is not guessed from blocks of signed values", () => {
    expect(pictureOf({ layer: 1, head: 0 }, kind("layer"), sheet(2), NONE)).toBeNull();
  });
});

/** An answer with one square variable, and the positions that each of its cells stands for. */
function encoded(name: string, dims: string[], shape: number[], pool: number, attrs: object) {
  const size = shape.reduce((product, length) => product * length, 1);
  const values = { buffer: 0, dtype: "float32", shape, scale: 1, offset: 0, pool: [pool, pool] };
  return {
    raw: { dims: {}, variables: { [name]: { dims, values } }, attrs },
    buffers: [new DataView(new Float32Array(size).fill(0.5).buffer)],
  };
}

describe("answers and tokens that arrive apart", () => {
  const asked = { prompt: 0, show: "current", attention_mode: "scores" } as const;
  const one = { ...asked, layer: 1, head: 0, head_average: "none" } as const;
  const patterns = (side: number, pool: number) => {
    const dims = ["layer", "head", "query_block", "key_block"];
    const { raw, buffers } = encoded("patterns", dims, [2, 2, side, side], 1, { pool });
    return Dataset.read<Patterns>(raw, buffers);
  };
  const pattern = (side: number, pool = 1) => {
    const dims = ["query_pos", "key_pos"];
    const { raw, buffers } = encoded("pattern", dims, [side, side], pool, {});
    return Dataset.read<Pattern>(raw, buffers);
  };

  it("are shown together only when they are of the same prompt", () => {
    const data = patterns(2, 1);
    expect(readSheet({ data, args: asked }, TOKENS)?.pool).toBe(1);
    expect(readSheet({ data: patterns(1, 2), args: asked }, TOKENS)?.pool).toBe(2);
    expect(readSheet({ data, args: { ...asked, prompt: 1 } }, TOKENS)).toBeNull();
    expect(readSheet({ data: patterns(3, 1), args: asked }, TOKENS)).toBeNull();
    expect(readSheet({ data, args: asked }, null)).toBeNull();
  });

  it("leave the thumbnails' numbers in place of a pattern of other tokens", () => {
    const head = { layer: 1, head: 0 };
    const shown = (data: Dataset<Pattern>, args: typeof one | object) =>
      pictureOf(head, kind("none"), sheet(), { data, args: { ...one, ...args } });
    expect(shown(pattern(2), {})).toMatchObject({ pool: 1, exact: true });
    expect(shown(pattern(1, 2), {})).toMatchObject({ pool: 2 });
    expect(shown(pattern(3), {})?.answer).toBeNull();
    expect(shown(pattern(2), { prompt: 1 })?.answer).toBeNull();
    expect(shown(pattern(2), { head: 1 })?.answer).toBeNull();
  });
});

describe("colours", () => {
  it("leave the column of BOS out when asked", () => {
    const values = { shape: [2, 2], data: Float32Array.of(1, 0, 0.9, 0.1) };
    const one = { values, k0: 0 };
    expect([...coloured(one, true)]).toEqual([Number.NaN, 0, Number.NaN, Math.fround(0.1)]);
    expect(coloured(one, false)).toBe(values.data);
    expect(coloured({ values, k0: 1 }, true)).toBe(values.data);
  });

  it("of a block are those of its strongest cell; a block without a value has none", () => {
    const data = Float32Array.of(1, -2, Number.NaN, Number.NaN);
    const rows = Float32Array.from([...data, ...data, ...data, ...data]);
    expect([...poolMax(rows, 4, 2)]).toEqual([-2, Number.NaN, -2, Number.NaN]);
  });
});
