// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/** One effect in logits; standard errors are None for one prompt. */
export interface EffectNumbers {
  baseline: number | null;
  current: number | null;
  baseline_sem: number | null;
  current_sem: number | null;
  change_sem: number | null;
}

/**
 * Direct effects of the model's parts, in its order, which sum to ``total``; standard errors
 * over prompts are NaN for one prompt, and layer and head where a part has none. ``n_read``: of
 * how many prompts logits are read.
 */
export interface Rows {
  numbers: "layer" | "head" | "ablatable" | "baseline" | "current" | "baseline_sem" | "current_sem" | "change_sem";
  texts: "component";
  attrs: {
    total: EffectNumbers;
    n_read: number;
    units: string;
    definition: string;
  };
}

/**
 * A head's direct effect on one prompt, by the token whose value carried it; ``rest`` is what
 * no token carried, of what interventions put in.
 */
export interface Sources {
  numbers: "baseline" | "current" | "key_pos";
  texts: never;
  attrs: {
    baseline_total: number | null;
    current_total: number | null;
    rest: number | null;
    units: string;
    definition: string;
  };
}

/**
 * The neurons of an MLP with the largest direct effects; with ``others`` and the output
 * ``bias`` they sum to ``total``.
 */
export interface Neurons {
  numbers: "neuron" | "activation" | "baseline" | "current" | "baseline_sem" | "current_sem" | "change_sem";
  texts: never;
  attrs: {
    others: EffectNumbers;
    bias: EffectNumbers;
    total: EffectNumbers;
    layer: number;
    n_neurons: number;
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

/** All parts before and after, of one prompt or the mean. */
export const rows: Question<{ by: "head" | "layer" | "component"; prompt: number | null; pos: number | null }, Rows> = { method: "attribution/rows" };

/** Which token's value carried a head's effect on one prompt, before and after. */
export const sources: Question<{ prompt: number; layer: number; head: number; pos: number | null }, Sources> = { method: "attribution/sources" };

/** The k neurons of an MLP with the largest effects, what the others add, and the bias. */
export const neurons: Question<{ layer: number; prompt: number | null; pos: number | null; k?: number }, Neurons> = { method: "attribution/neurons" };

/** Code for the current effects. */
export const code: Question<{ by: "head" | "layer" | "component"; prompt: number | null; pos: number | null }, Code> = { method: "attribution/code" };

export const OPTIONS: {
  by: OptionSpec<"head" | "layer" | "component">;
  read_at: OptionSpec<"metric" | "selected">;
} = {
  /** How finely effects are split. */
  by: {
    name: "by",
    initial: "head",
    is: (value: unknown): value is "head" | "layer" | "component" => value === "head" || value === "layer" || value === "component",
  },
  /** Read the logits where the metric does, or at the selected query position. */
  read_at: {
    name: "read_at",
    initial: "metric",
    is: (value: unknown): value is "metric" | "selected" => value === "metric" || value === "selected",
  },
};
