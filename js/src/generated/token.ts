// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * What is predicted at each token of one prompt, under the interventions and (``baseline_*``)
 * without: NaN, and -1 as a rank, at the last token, which nothing follows, and where the model
 * has no logit for the next token.
 *
 * ``top_*``: the likeliest next tokens, likeliest first. ``units`` and ``definition`` are by
 * variable.
 */
export interface Stats {
  numbers: "loss" | "baseline_loss" | "prob" | "rank" | "baseline_rank" | "top_prob" | "top_token_id" | "pos";
  texts: "top_token";
  attrs: {
    units: Record<string, string>;
    definition: Record<string, string>;
  };
}

/**
 * Of ``n_predicted`` next tokens of all prompts, how many rank first, without interventions
 * (``baseline``) and under them (``current``).
 */
export interface Hits {
  numbers: "hits";
  texts: "run";
  attrs: {
    n_predicted: number;
    units: string;
    definition: string;
  };
}

/**
 * The likeliest next tokens after one prompt that can be written as text, likeliest first.
 *
 * ``text`` is the token verbatim, ``token`` as it is shown.
 */
export interface Likely {
  numbers: "prob";
  texts: "token" | "text";
  attrs: {
    units: string;
  };
}

/**
 * One text with and without BOS, the tokens counted as with it, so that the same token has the
 * same position in both; NaN, and -1 as a rank, where there is nothing to predict.
 *
 * ``own``: which of the two the session has.
 */
export interface BosComparison {
  numbers: "token_id" | "loss" | "rank" | "pos";
  texts: "bos" | "token";
  attrs: {
    own: "with" | "without";
    units: Record<string, string>;
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

/** Loss, probability, rank and top predictions at every token of one prompt. */
export const stats: Question<{ prompt: number }, Stats> = { method: "token/stats" };

/** How many next tokens of all prompts rank first, which reads all their logits. */
export const hits: Question<Record<string, never>, Hits> = { method: "token/hits" };

/** What could be an answer to one prompt: the model's likeliest next tokens. */
export const likely: Question<{ prompt: number }, Likely> = { method: "token/likely" };

/** One prompt tokenized with and without BOS, and what is predicted in each. */
export const compareBos: Question<{ prompt: number }, BosComparison> = { method: "token/compare_bos" };

/** Code for the losses, probabilities and ranks of one prompt. */
export const code: Question<{ prompt: number }, Code> = { method: "token/code" };

export const OPTIONS: {
  color: OptionSpec<"loss" | "hit" | "from" | "to">;
} = {
  /** What colours the tokens: the loss of the next token, whether it ranks first, or the selected head's attention ``"from"`` the picked token or ``"to"`` it. */
  color: {
    name: "color",
    initial: "loss",
    is: (value: unknown): value is "loss" | "hit" | "from" | "to" => value === "loss" || value === "hit" || value === "from" || value === "to",
  },
};
