// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * Mean attention on each kind's stripe, NaN where no prompt has one, of which ``missing`` then
 * tells why, else ""; ``sem`` of the current means over prompts, NaN for one. From ``named_from``
 * on a head is called by a kind.
 */
export interface Scores {
  numbers: "baseline" | "current" | "sem" | "layer" | "head";
  texts: "kind" | "definition" | "missing";
  attrs: {
    units: string;
    named_from: number;
  };
}

/**
 * The share of ``token`` that each head copies, NaN where it has no such score; for a model
 * that has none at all ``missing`` tells why, else "". From ``named_from`` on a head copies.
 */
export interface Copies {
  numbers: "score" | "layer" | "head";
  texts: "token";
  attrs: {
    missing: string;
    units: string;
    definition: string;
    named_from: number;
  };
}

/** Change of the mean loss when that head is ablated; NaN: not known yet. */
export interface LossEffects {
  numbers: "loss_change" | "layer" | "head";
  texts: never;
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

/** All five scores of every head, before and after; of one prompt or the mean. */
export const scores: Question<{ prompt: number | null }, Scores> = { method: "head_scores/scores" };

/** How much each head copies what it attends to, without interventions. */
export const copies: Question<Record<string, never>, Copies> = { method: "head_scores/copies" };

/** What ablating each head by itself adds to the loss, exact, bit by bit. */
export const lossEffects: Question<{ ablation_kind: "zero" | "mean" | "resample" }, LossEffects> = { method: "head_scores/loss_effects" };

/** Code for the scores, and with ``loss_kind`` for the map of losses. */
export const code: Question<{ prompt: number | null; loss_kind?: "zero" | "mean" | "resample" | null }, Code> = { method: "head_scores/code" };

export const OPTIONS: {
  threshold: OptionSpec<number>;
} = {
  /** The score from which a head is listed. */
  threshold: {
    name: "threshold",
    initial: 0.4,
    is: (value: unknown): value is number => typeof value === "number" && Number.isFinite(value),
  },
};
