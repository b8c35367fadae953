// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * The likeliest next token of each stage at some positions of one prompt, and what is known of
 * it and of the target; ``baseline_token`` was likeliest before.
 *
 * ``prob`` is the top token's probability, ``rank`` and ``target_prob`` are those of the target
 * (``target_token``, "" where a position has none; the numbers are then NaN), ``kl`` is the
 * divergence from the final distribution. For ``show="difference"`` all but the tokens are
 * current minus baseline. ``layer`` is the one that a stage belongs to. Units and definitions are
 * by variable.
 */
export interface Grid {
  numbers: "layer" | "pos" | "top_token_id" | "baseline_token_id" | "prob" | "rank" | "target_prob" | "kl";
  texts: "stage" | "target_token" | "top_token" | "baseline_token";
  attrs: {
    show: "baseline" | "current" | "difference";
    target: string;
    d_vocab: number;
    units: Record<string, string>;
    definition: Record<string, string>;
  };
}

/**
 * The likeliest tokens of one stage at one position, before and after, likeliest now first;
 * ``target_id``, None where there is none, comes last where it is not one of them.
 *
 * ``baseline`` and ``current`` are probabilities, their ranks count from 0, ``kl`` is in nats.
 */
export interface Cell {
  numbers: "token_id" | "baseline" | "current" | "baseline_rank" | "current_rank";
  texts: "token";
  attrs: {
    stage: string;
    pos: number;
    target_id: number | null;
    baseline_kl: number;
    current_kl: number;
    units: string;
  };
}

/** Some tokens' probabilities and ranks (0 is first) from stage to stage at one position. */
export interface Path {
  numbers: "token_id" | "baseline_prob" | "current_prob" | "baseline_rank" | "current_rank";
  texts: "token" | "stage";
  attrs: {
    pos: number;
    units: Record<string, string>;
  };
}

/**
 * The metric's logits as they build up over the stages, and what each part of the model adds;
 * ``show`` is baseline, current and difference.
 *
 * Means over prompts with standard errors, a difference's that of the paired changes; or one
 * prompt's values, with NaN for errors.
 */
export interface Lines {
  numbers: "accumulated" | "accumulated_sem" | "contribution" | "contribution_sem";
  texts: "show" | "stage" | "component";
  attrs: {
    units: string;
    definition: string;
  };
}

/** The single token that a text is; ``text`` is safe to show. */
export interface FoundToken {
  numbers: never;
  texts: never;
  attrs: {
    id: number;
    text: string;
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
 * The lens at ``count`` positions from ``start`` on, at most 64, the prompt's last ones
 * without ``start``; None counts all positions.
 */
export const grid: Question<{ prompt: number; show: "baseline" | "current" | "difference"; lens_target: "auto" | "answer" | "next"; incl_mid: boolean; start?: number | null; count?: number | null }, Grid> = { method: "logit_lens/grid" };

/** The ``k`` likeliest tokens of one stage at one position, the last by default. */
export const cell: Question<{ prompt: number; stage: string; lens_target: "auto" | "answer" | "next"; incl_mid: boolean; query_pos?: number | null; k?: number }, Cell> = { method: "logit_lens/cell" };

/** Pinned tokens, or the answers, from stage to stage, at the last position by default. */
export const path: Question<{ prompt: number; query_pos: number | null; pins: number[]; incl_mid: boolean }, Path> = { method: "logit_lens/path" };

/** The metric's logits by stage and by part, of one prompt or the mean. */
export const lines: Question<{ prompt: number | null; incl_mid: boolean }, Lines> = { method: "logit_lens/lines" };

/** The single token that a text is, to be pinned. */
export const token: Question<{ text: string }, FoundToken> = { method: "logit_lens/token" };

/** Code for the likeliest tokens and their probabilities at every stage. */
export const code: Question<{ show: "baseline" | "current" | "difference"; incl_mid: boolean }, Code> = { method: "logit_lens/code" };

export const OPTIONS: {
  show: OptionSpec<"current" | "baseline" | "difference">;
  lens_color: OptionSpec<"prob" | "rank" | "kl">;
  lens_target: OptionSpec<"auto" | "answer" | "next">;
  lens_order: OptionSpec<"last_on_top" | "first_on_top">;
  incl_mid: OptionSpec<boolean>;
  pins: OptionSpec<number[]>;
} = {
  /** The run shown, or current minus baseline. */
  show: {
    name: "show",
    initial: "current",
    is: (value: unknown): value is "current" | "baseline" | "difference" => value === "current" || value === "baseline" || value === "difference",
  },
  /** What colours a cell: the top token's probability, the target's rank, or the KL divergence from the final distribution, in nats. */
  lens_color: {
    name: "lens_color",
    initial: "prob",
    is: (value: unknown): value is "prob" | "rank" | "kl" => value === "prob" || value === "rank" || value === "kl",
  },
  /** Whose rank: the correct answer's, the true next token's, or the answer's where there are answers. */
  lens_target: {
    name: "lens_target",
    initial: "auto",
    is: (value: unknown): value is "auto" | "answer" | "next" => value === "auto" || value === "answer" || value === "next",
  },
  /** Which stage is on top. */
  lens_order: {
    name: "lens_order",
    initial: "last_on_top",
    is: (value: unknown): value is "last_on_top" | "first_on_top" => value === "last_on_top" || value === "first_on_top",
  },
  /** Whether stages between attention and MLP are shown, too; of more than 20 layers only when asked for. */
  incl_mid: {
    name: "incl_mid",
    initial: true,
    is: (value: unknown): value is boolean => typeof value === "boolean",
  },
  /** Ids of the tokens followed from stage to stage; the answers when empty. */
  pins: {
    name: "pins",
    initial: [],
    is: (value: unknown): value is number[] => (Array.isArray(value) && value.every((item: unknown) => typeof item === "number" && Number.isInteger(item))),
  },
};
