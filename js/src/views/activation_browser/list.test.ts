import { describe, expect, it } from "vitest";
import type { ActivationGroup } from "../../generated/activation_browser";
import { colorEnd, digits, expand, megabytes, rowOf, search, sections } from "./list";

function group(name: string, layers: number[], more: Partial<ActivationGroup> = {}) {
  return { name, aliases: [], layers, short: [], dims: [], shape: [], n_bytes: 1000, ...more };
}

const rows = expand([
  group("hook_embed", [], { aliases: ["embed.hook_out"], short: ["embed"] }),
  group("blocks.{layer}.hook_resid_pre", [0, 1, 13], {
    aliases: ["blocks.{layer}.hook_in"],
    short: ["resid_pre"],
  }),
  group("blocks.{layer}.ln1.hook_scale", [0, 1, 13], { short: ["scale", "ln1"] }),
  group("blocks.{layer}.attn.hook_z", [0, 1, 13], { short: ["z"], n_bytes: 250_000 }),
  group("ln_final.hook_in", [], { n_bytes: null }),
]);

describe("activations in rows", () => {
  it("have their names and keys in every layer", () => {
    expect(rows).toHaveLength(11);
    expect(rows.map((row) => row.key).slice(0, 5)).toEqual([
      '"embed"',
      '"resid_pre", 0',
      '"resid_pre", 1',
      '"resid_pre", 13',
      '"scale", 0, "ln1"',
    ]);
    expect(rowOf(rows, "blocks.13.hook_in")?.name).toBe("blocks.13.hook_resid_pre");
    expect(rowOf(rows, "blocks.2.hook_in")).toBeNull();
  });

  it("are found by all words, of which numbers are layers", () => {
    const names = (text: string) => search(rows, text).map((row) => row.name);
    expect(names("")).toHaveLength(11);
    expect(names("1 attn")).toEqual(["blocks.1.attn.hook_z"]);
    expect(names("L13 RESID")).toEqual(["blocks.13.hook_resid_pre"]);
    expect(names("ln1 13")).toEqual(["blocks.13.ln1.hook_scale"]);
    expect(names("embed.hook_out")).toEqual(["hook_embed"]);
    expect(names('"z", 0')).toEqual(["blocks.0.attn.hook_z"]);
    expect(names("3")).toEqual([]);
  });

  it("go by layer, with what lies outside the blocks before and after, or by hook", () => {
    const byLayer = sections(rows, "layer");
    expect(byLayer.map(({ title }) => title)).toEqual([
      "before the blocks",
      "layer 0",
      "layer 1",
      "layer 13",
      "after the blocks",
    ]);
    expect(byLayer[1]?.rows.map(({ name }) => name)).toEqual([
      "blocks.0.hook_resid_pre",
      "blocks.0.ln1.hook_scale",
      "blocks.0.attn.hook_z",
    ]);
    expect(byLayer.map(({ bytes }) => bytes)).toEqual([1000, 252_000, 252_000, 252_000, 0]);
    const byHook = sections(rows, "hook");
    expect(byHook.map(({ title }) => title)[1]).toBe("hook_resid_pre");
    expect(byHook[1]?.rows.map(({ layer }) => layer)).toEqual([0, 1, 13]);
  });
});

describe("numbers of any size", () => {
  it("keep their digits", () => {
    expect([0, 1.23456, -1234.567, 0.00001234, 3.4e38].map((value) => digits(value))).toEqual([
      "0",
      "1.235",
      "−1235",
      "1.234e-5",
      "3.400e+38",
    ]);
    expect([null, Number.NaN, Number.NEGATIVE_INFINITY].map((v) => digits(v))).toEqual([
      "–",
      "–",
      "−∞",
    ]);
    expect([null, 480, 7680, 1_290_000, 305_400_000].map(megabytes)).toEqual([
      "?",
      "<0.001",
      "0.0077",
      "1.3",
      "305",
    ]);
  });

  it("are coloured up to the largest, but for a few that would hide the rest", () => {
    expect(colorEnd(Float32Array.of(1, -2, 0.5, Number.NaN))).toEqual({ end: 2, clipped: 0 });
    const usual = Float32Array.from({ length: 500 }, (_, i) => (i % 2 ? -1 : 1));
    usual[7] = 300;
    expect(colorEnd(usual)).toEqual({ end: 1, clipped: 1 });
    expect(colorEnd(new Float32Array(4))).toEqual({ end: 0, clipped: 0 });
  });
});
