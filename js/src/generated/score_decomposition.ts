// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * What each pair of writers adds to a score, under the interventions and without them.
 *
 * Each sums to its ``score``, which is the model's own, before any cap; None where the pair of
 * positions is masked. Without both positions: the mean over all pairs that are not masked.
 */
export interface Sources {
  numbers: "current" | "baseline";
  texts: "query_source" | "key_source";
  attrs: {
    score: number | null;
    baseline_score: number | null;
    query_pos: number | null;
    key_pos: number | null;
    units: string;
    definition: string;
  };
}

/**
 * What one pair of sources, or the sum of all, adds at every pair of positions; NaN where
 * masked.
 */
export interface Positions {
  numbers: "score" | "query_pos" | "key_pos";
  texts: never;
  attrs: {
    query_source: string;
    key_source: string;
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

/** Query source by key source at one pair of positions, or the mean over all pairs. */
export const sources: Question<{ layer: number; head: number; prompt: number; sources_by: "head" | "layer"; query_pos?: number | null; key_pos?: number | null }, Sources> = { method: "score_decomposition/sources" };

/** One pair of sources, or their sum, at every pair of positions. */
export const positions: Question<{ layer: number; head: number; prompt: number; sources_by: "head" | "layer"; query_source: string; key_source: string; show: "baseline" | "current" | "difference" }, Positions> = { method: "score_decomposition/positions" };

/** Code for the parts that are shown. */
export const code: Question<{ layer: number; head: number; prompt: number; sources_by: "head" | "layer"; show: "baseline" | "current" | "difference"; query_pos?: number | null; key_pos?: number | null }, Code> = { method: "score_decomposition/code" };

export const OPTIONS: {
  sources_by: OptionSpec<"head" | "layer">;
  query_source: OptionSpec<string>;
  key_source: OptionSpec<string>;
  show: OptionSpec<"baseline" | "current" | "difference">;
} = {
  /** Heads by themselves, or a layer's heads together. */
  sources_by: {
    name: "sources_by",
    initial: "head",
    is: (value: unknown): value is "head" | "layer" => value === "head" || value === "layer",
  },
  /** The writer of queries whose map is shown; empty: all. */
  query_source: {
    name: "query_source",
    initial: "",
    is: (value: unknown): value is string => typeof value === "string",
  },
  /** The writer of keys whose map is shown; empty: all. */
  key_source: {
    name: "key_source",
    initial: "",
    is: (value: unknown): value is string => typeof value === "string",
  },
  /** Which run's scores, or their difference. */
  show: {
    name: "show",
    initial: "current",
    is: (value: unknown): value is "baseline" | "current" | "difference" => value === "baseline" || value === "current" || value === "difference",
  },
};
