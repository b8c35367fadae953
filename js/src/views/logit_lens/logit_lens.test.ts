import { describe, expect, it } from "vitest";
import type { ArrayRef, LensResult } from "../../generated/protocol";
import { chartLayout, evenTicks, nearest } from "./chart_layout";
import { toCsv } from "./csv";
import { columnsIn, rankShade, readWindow, shading, startFor } from "./data";

const SUMMARY = {
  metric: "logit difference",
  units: "logits",
  n_prompts: 1,
  baseline: 1,
  current: 1,
  revision: 1,
};

function made(which: LensResult["which"], ranks: number[]) {
  const buffers: DataView[] = [];
  const ref = (values: number[], dtype: "int32" | "float32"): ArrayRef => {
    const array = dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values);
    buffers.push(new DataView(array.buffer));
    return { buffer: buffers.length - 1, dtype, shape: [2, 2], scale: 1, offset: 0 };
  };
  const word = (id: number) => ({ id, text: `w${id}` });
  const result: LensResult = {
    summary: SUMMARY,
    tokens: {
      summary: SUMMARY,
      prompt: 0,
      n_prompts: 1,
      text: "",
      correct: "",
      wrong: "",
      corrupted: null,
      tokens: [word(1), word(2), word(3)],
      answer: null,
      bos: true,
    },
    which,
    stages: ["0_pre", "final_post"],
    layers: [0, 0],
    start: 1,
    token: ref([4, 5, 6, 7], "int32"),
    was: ref([4, 5, 6, 4], "int32"),
    prob: ref([0.1, 0.2, 0.3, 0.4], "float32"),
    rank: ref(ranks, "int32"),
    target_prob: ref([0.5, 0.6, 0.7, 0.8], "float32"),
    kl: ref([3, 2, 0, 0], "float32"),
    texts: [4, 5, 6, 7].map(word),
    targets: [word(9), null],
    target: "the true next token",
    d_vocab: 1000,
  };
  return { result, buffers };
}

describe("a window of the lens", () => {
  it("has the last stage on top, or the first", () => {
    const { result, buffers } = made("current", [9, -1, 0, -1]);
    const top = readWindow(result, buffers, "last_on_top");
    expect(top.stages).toEqual(["final_post", "0_pre"]);
    expect(top.token.map(({ text }) => text)).toEqual(["w6", "w7", "w4", "w5"]);
    expect([...top.kl]).toEqual([0, 0, 3, 2]);
    const down = readWindow(result, buffers, "first_on_top");
    expect(down.stages).toEqual(["0_pre", "final_post"]);
    expect(down.was.map(({ id }) => id)).toEqual([4, 5, 6, 4]);
  });

  it("has no rank where there is no target", () => {
    const now = made("current", [9, -1, 0, -1]);
    expect([...readWindow(now.result, now.buffers, "first_on_top").rank]).toEqual([
      9,
      Number.NaN,
      0,
      Number.NaN,
    ]);
    // A change of -1 is a change.
    const change = made("difference", [-1, 0, 4, 0]);
    expect([...readWindow(change.result, change.buffers, "first_on_top").rank]).toEqual([
      -1,
      Number.NaN,
      4,
      Number.NaN,
    ]);
  });

  it("colours ranks by their logarithm, first strongest, and gained ranks blue", () => {
    expect(rankShade(0, 1000)).toBe(1);
    expect(rankShade(999, 1000)).toBeCloseTo(0, 12);
    expect(rankShade(30, 1000)).toBeGreaterThan(0.4);
    const { result, buffers } = made("difference", [-9, 0, 9, 0]);
    const window = readWindow(result, buffers, "first_on_top");
    const shade = shading(window, "rank", result);
    expect(shade.kind).toBe("diverging");
    expect(shade.colors?.[0]).toBeCloseTo(1);
    expect(shade.colors?.[2]).toBeCloseTo(-1);
    expect(shade.format(-9)).toBe("−9");
  });

  it("shows probabilities up to 1, divergence in orange, changes around zero", () => {
    const { result, buffers } = made("current", [0, 0, 0, 0]);
    const window = readWindow(result, buffers, "first_on_top");
    expect(shading(window, "prob", result)).toMatchObject({ kind: "sequential", hi: 1 });
    expect(shading(window, "kl", result)).toMatchObject({ kind: "loss", units: "nats" });
    const change = { ...result, which: "difference" as const };
    expect(shading(window, "prob", change).kind).toBe("diverging");
    expect(shading(window, "kl", change).hi).toBeUndefined();
  });

  it("is taken away as one line a cell, quoted where need be", () => {
    const { result, buffers } = made("current", [9, -1, 0, -1]);
    result.texts[0] = { id: 4, text: ',"' };
    const lines = toCsv(result, readWindow(result, buffers, "last_on_top")).split("\n");
    expect(lines).toHaveLength(6);
    expect(lines[0]).toBe(
      "show,stage,layer,pos,token,top_token_id,top_token,baseline_top_token,prob,target," +
        "target_rank,target_prob,kl_nats",
    );
    expect(lines[3]?.startsWith('current,0_pre,0,1,w2,4,",""",",""",0.1')).toBe(true);
    expect(lines[4]?.endsWith(",,,0.6000000238418579,2")).toBe(true);
  });

  it("moves only for a position outside of it, and never past the ends", () => {
    expect(startFor(5, 4, 4, 20)).toBeNull();
    expect(startFor(8, 4, 4, 20)).toBe(6);
    expect(startFor(0, 4, 4, 20)).toBe(0);
    expect(startFor(19, 4, 4, 20)).toBe(16);
  });

  it("is as wide as the view has room for", () => {
    expect(columnsIn(480)).toBe(7);
    expect(columnsIn(1200)).toBe(21);
    expect(columnsIn(10)).toBe(4);
    expect(columnsIn(9000)).toBe(64);
  });
});

describe("a chart", () => {
  const axis = { to: (value: number) => value, includes: [0] };
  const names = ["0_pre", "1_pre", "final_post"];

  it("has round ticks past both ends", () => {
    expect(evenTicks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(evenTicks(-1.2, 3.4)).toEqual([-2, -1, 0, 1, 2, 3, 4]);
  });

  it("keeps every value and its error inside", () => {
    const drawn = { values: [-2, 1, 5], errors: [0.5, Number.NaN, 1] };
    const layout = chartLayout(names, [drawn], axis, 400, 200);
    for (const value of [-2.5, 1, 6]) {
      expect(layout.y(value)).toBeGreaterThanOrEqual(layout.top);
      expect(layout.y(value)).toBeLessThanOrEqual(layout.floor);
    }
    expect(layout.y(5)).toBeLessThan(layout.y(1));
    expect(layout.x(2)).toBe(layout.right);
  });

  it("finds the name nearest to the mouse", () => {
    const layout = chartLayout(names, [{ values: [1, 2, 3] }], axis, 400, 200);
    expect(names.map((_, i) => nearest(layout.x(i) + 3, layout, 3))).toEqual([0, 1, 2]);
    expect(nearest(-50, layout, 3)).toBe(0);
    expect(nearest(5000, layout, 3)).toBe(2);
  });

  it("leaves out names that would touch", () => {
    const many = Array.from({ length: 100 }, (_, i) => `${i}_pre`);
    const layout = chartLayout(many, [{ values: many.map(() => 1) }], axis, 400, 200);
    const step = layout.x(1) - layout.x(0);
    expect(layout.every * step).toBeGreaterThanOrEqual(15);
  });

  it("puts the first rank on top of a rank axis", () => {
    const rank = { to: (r: number) => -Math.log10(1 + r), ticks: [0, 10, 100], includes: [0, 10] };
    const layout = chartLayout(names, [{ values: [50, 8, 0] }], rank, 400, 200);
    expect(layout.ticks.map(({ value }) => value)).toEqual([0, 10]);
    expect(layout.y(rank.to(0))).toBe(layout.top);
    expect(layout.y(rank.to(50))).toBe(layout.floor);
  });
});
