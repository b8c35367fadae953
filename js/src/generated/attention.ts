// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * Every head's attention on one prompt, each number the largest of a block of ``pool`` by
 * ``pool`` positions: of largest magnitude where there are signs. NaN: masked.
 */
export interface Patterns {
  numbers: "patterns" | "layer" | "head";
  texts: never;
  attrs: {
    pool: number;
    units: string;
    definition: string;
  };
}

/**
 * The attention of one head, or the mean that it is part of, as ``name`` says ("L1H2", "L1" or
 * "all heads"); ``signed``: there are values on both sides of zero. NaN: masked.
 */
export interface Pattern {
  numbers: "pattern" | "query_pos" | "key_pos";
  texts: never;
  attrs: {
    name: string;
    signed: boolean;
    units: string;
    definition: string;
  };
}

/** The cells of the same in a range of queries and keys, as the model computed them. */
export interface PatternPart {
  numbers: "query_pos" | "key_pos" | "pattern";
  texts: never;
  attrs: {
    units: string;
  };
}

/**
 * Where a kind of head score looks in one prompt, and every head's mean attention there,
 * without interventions (``baseline``) and under them; ``mean_*`` over the ``n_with`` prompts that
 * have such a stripe. NaN, and ``missing`` says why, where there is none.
 */
export interface Stripe {
  numbers: "query_pos" | "key_pos" | "baseline" | "current" | "mean_baseline" | "mean_current" | "layer" | "head";
  texts: never;
  attrs: {
    n_with: number;
    missing: string;
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

/** Every head's pattern, as fine as a message allows. */
export const patterns: Question<{ prompt: number; show: "baseline" | "current" | "difference"; attention_mode: "pattern" | "value" | "scores" }, Patterns> = { method: "attention/patterns" };

/** One head's pattern, or the mean that it is part of, at every position. */
export const pattern: Question<{ prompt: number; show: "baseline" | "current" | "difference"; layer: number; head: number; attention_mode: "pattern" | "value" | "scores"; head_average: "none" | "layer" | "all" }, Pattern> = { method: "attention/pattern" };

/** The exact cells of a range of queries and keys, for patterns that are sent rounded. */
export const patternPart: Question<{ prompt: number; show: "baseline" | "current" | "difference"; layer: number; head: number; attention_mode: "pattern" | "value" | "scores"; head_average: "none" | "layer" | "all"; query_start: number; query_stop: number; key_start: number; key_stop: number }, PatternPart> = { method: "attention/pattern_part" };

/** Where a kind of score looks in one prompt, and what every head has there. */
export const stripe: Question<{ prompt: number; stripe: "previous" | "current" | "first" | "induction" | "duplicate" }, Stripe> = { method: "attention/stripe" };

/** Code for the large pattern. */
export const code: Question<{ prompt: number; show: "baseline" | "current" | "difference"; layer: number; head: number; attention_mode: "pattern" | "value" | "scores"; head_average: "none" | "layer" | "all" }, Code> = { method: "attention/code" };

export const OPTIONS: {
  show: OptionSpec<"baseline" | "current" | "difference">;
  token_mode: OptionSpec<"from" | "to">;
  attention_mode: OptionSpec<"pattern" | "value" | "scores">;
  head_average: OptionSpec<"none" | "layer" | "all">;
  pattern_scale: OptionSpec<"auto" | "fixed" | "root" | null>;
} = {
  /** Patterns without interventions, under them, or the second minus the first. */
  show: {
    name: "show",
    initial: "current",
    is: (value: unknown): value is "baseline" | "current" | "difference" => value === "baseline" || value === "current" || value === "difference",
  },
  /** A picked token shows what it attends "from" as query, or what attends "to" it as key. */
  token_mode: {
    name: "token_mode",
    initial: "from",
    is: (value: unknown): value is "from" | "to" => value === "from" || value === "to",
  },
  /** Weights, weights times the norm of the value they carry, or scores before the softmax. */
  attention_mode: {
    name: "attention_mode",
    initial: "pattern",
    is: (value: unknown): value is "pattern" | "value" | "scores" => value === "pattern" || value === "value" || value === "scores",
  },
  /** The large pattern is one head's, the mean over its layer's heads, or over all heads. */
  head_average: {
    name: "head_average",
    initial: "none",
    is: (value: unknown): value is "none" | "layer" | "all" => value === "none" || value === "layer" || value === "all",
  },
  /** Where colours end: "fixed" at 1 (or above the largest of all heads), "auto" where the strong cells on show are, "root" at 1 with colours by the square root; None: "auto" for prompts of 100 tokens or more. */
  pattern_scale: {
    name: "pattern_scale",
    initial: null,
    is: (value: unknown): value is "auto" | "fixed" | "root" | null => value === "auto" || value === "fixed" || value === "root" || value === null,
  },
};
