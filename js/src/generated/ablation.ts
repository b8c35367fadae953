// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * A value for every switch: NaN for layers without an MLP, and for what a sweep has not
 * reached.
 */
export interface Grid {
  numbers: "heads" | "mlps" | "layer" | "head";
  texts: never;
  attrs: {
    units: string;
    definition: string;
  };
}

/**
 * Probabilities of the next token of one prompt, the likeliest before the interventions first,
 * and the metric of that prompt.
 */
export interface Predictions {
  numbers: "token_id" | "baseline" | "current";
  texts: "token";
  attrs: {
    prompt: number;
    metric: string;
    metric_units: string;
    metric_baseline: number | null;
    metric_current: number | null;
    units: string;
    definition: string;
  };
}

/** What each switched-on intervention does to the mean metric; ``key`` as in the list. */
export interface InterventionEffects {
  numbers: "effect";
  texts: "key" | "label";
  attrs: {
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

/**
 * The effect of ablating each part so, exact, bit by bit; without a kind each part's direct
 * attribution, at once. Of one prompt or the mean.
 */
export const grid: Question<{ ablation_kind: "zero" | "mean" | "resample" | null; prompt: number | null }, Grid> = { method: "ablation/grid" };

/** The next tokens that are likeliest before or after, and the metric, of one prompt. */
export const predictions: Question<{ prompt: number }, Predictions> = { method: "ablation/predictions", shared: true };

/** Each intervention's effect: the metric with all of them, minus without this one. */
export const interventionEffects: Question<Record<string, never>, InterventionEffects> = { method: "ablation/intervention_effects" };

/** Code for the grid's numbers; for attribution of the heads, then of all parts. */
export const code: Question<{ ablation_kind: "zero" | "mean" | "resample" | null; prompt: number | null }, Code> = { method: "ablation/code" };

export const OPTIONS: {
  values: OptionSpec<"attribution" | "effect">;
} = {
  /** What colours the grid: each part's direct ``attribution``, or the exact ``effect`` on the metric of ablating it. */
  values: {
    name: "values",
    initial: "attribution",
    is: (value: unknown): value is "attribution" | "effect" => value === "attribution" || value === "effect",
  },
};
