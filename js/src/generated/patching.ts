// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * One map: how many cells are exact, the method of the estimates, and their linear (Pearson)
 * and rank correlation (Spearman) with the exact cells. ``heads``: how many of the columns are
 * heads of this activation; keys and values have fewer under grouped-query attention, and NaN in
 * the rest.
 */
export interface MapInfo {
  node: string;
  title: string;
  heads: number;
  n_exact: number;
  method: "gradient" | "integrated" | "relp" | null;
  linear_correlation: number | null;
  rank_correlation: number | null;
}

/** Maps of heads, all positions at once. */
export interface HeadMaps {
  numbers: "z" | "z_sem" | "z_exact" | "q" | "q_sem" | "q_exact" | "k" | "k_sem" | "k_exact" | "v" | "v_sem" | "v_exact" | "pattern" | "pattern_sem" | "pattern_exact" | "layer" | "head";
  texts: never;
  attrs: {
    maps: MapInfo[];
    tokens_of: number;
    missing: string[];
    metric: string;
    clean: number;
    corrupted: number;
    unpatched: number;
    full: number;
    units: string;
    definition: string;
  };
}

/** Maps of heads by position. */
export interface HeadPosMaps {
  numbers: "z" | "z_sem" | "z_exact" | "q" | "q_sem" | "q_exact" | "k" | "k_sem" | "k_exact" | "v" | "v_sem" | "v_exact" | "pattern" | "pattern_sem" | "pattern_exact" | "layer" | "head" | "pos";
  texts: never;
  attrs: {
    maps: MapInfo[];
    tokens_of: number;
    missing: string[];
    metric: string;
    clean: number;
    corrupted: number;
    unpatched: number;
    full: number;
    units: string;
    definition: string;
  };
}

/** Maps of blocks by position. */
export interface BlockMaps {
  numbers: "resid_pre" | "resid_pre_sem" | "resid_pre_exact" | "attn_out" | "attn_out_sem" | "attn_out_exact" | "mlp_out" | "mlp_out_sem" | "mlp_out_exact" | "layer" | "pos";
  texts: never;
  attrs: {
    maps: MapInfo[];
    tokens_of: number;
    missing: string[];
    metric: string;
    clean: number;
    corrupted: number;
    unpatched: number;
    full: number;
    units: string;
    definition: string;
  };
}

/** TransformerLens code that gives the shown numbers without lens_widgets. */
export interface Code {
  numbers: never;
  texts: never;
  attrs: {
    code: string;
  };
}

/** Heads at all positions at once: estimates, then exact values, the largest first. */
export const heads: Question<{ patch_into: "corrupted" | "clean"; normalize: boolean; estimate: "best" | "gradient" | "integrated" | "relp"; prompt: number | null }, HeadMaps> = { method: "patching/heads" };

/** Heads position by position: estimates, then exact values, the largest first. */
export const headsByPos: Question<{ patch_into: "corrupted" | "clean"; normalize: boolean; estimate: "best" | "gradient" | "integrated" | "relp"; prompt: number | null }, HeadPosMaps> = { method: "patching/heads_by_pos" };

/** Blocks by position: estimates, then exact values, the largest first. */
export const blocks: Question<{ patch_into: "corrupted" | "clean"; normalize: boolean; estimate: "best" | "gradient" | "integrated" | "relp"; prompt: number | null }, BlockMaps> = { method: "patching/blocks" };

/** Code for the maps, as means over prompts. */
export const code: Question<{ patch_maps: "heads" | "blocks"; by_pos: boolean; patch_into: "corrupted" | "clean"; normalize: boolean }, Code> = { method: "patching/code" };

export const OPTIONS: {
  patch_maps: OptionSpec<"heads" | "blocks">;
  by_pos: OptionSpec<boolean>;
  patch_into: OptionSpec<"corrupted" | "clean">;
  normalize: OptionSpec<boolean>;
  estimate: OptionSpec<"best" | "gradient" | "integrated" | "relp">;
} = {
  /** Maps of ``'heads'``, or of ``'blocks'`` by position. */
  patch_maps: {
    name: "patch_maps",
    initial: "heads",
    is: (value: unknown): value is "heads" | "blocks" => value === "heads" || value === "blocks",
  },
  /** Whether heads are patched position by position. */
  by_pos: {
    name: "by_pos",
    initial: false,
    is: (value: unknown): value is boolean => typeof value === "boolean",
  },
  /** The run that is patched, with activations of the other one. */
  patch_into: {
    name: "patch_into",
    initial: "corrupted",
    is: (value: unknown): value is "corrupted" | "clean" => value === "corrupted" || value === "clean",
  },
  /** Whether 0 is the run that is patched and 1 the metric of the other one. */
  normalize: {
    name: "normalize",
    initial: true,
    is: (value: unknown): value is boolean => typeof value === "boolean",
  },
  /** How cells are estimated before they are exact: ``'gradient'``, ``'integrated'`` or ``'relp'``, or ``'best'``, of these the one that agrees best with the exact cells so far. */
  estimate: {
    name: "estimate",
    initial: "best",
    is: (value: unknown): value is "best" | "gradient" | "integrated" | "relp" => value === "best" || value === "gradient" || value === "integrated" || value === "relp",
  },
};
