// Written by `python -m lens_widgets.views.generate`.

import type { Question } from "../wire/question";

/**
 * Loss of predicting the token after each position, of one prompt or means over prompts with
 * their standard errors (NaN for one prompt, and where nothing is predicted).
 *
 * ``*_halves``: means over the predictions of the first and the second ``half_length`` tokens of
 * a sequence that is one token and then the same tokens twice; NaN, and ``half_length`` None,
 * where a prompt is no such sequence.
 */
export interface Losses {
  numbers: "baseline" | "baseline_sem" | "current" | "current_sem" | "baseline_halves" | "baseline_halves_sem" | "current_halves" | "current_halves_sem" | "pos";
  texts: "half";
  attrs: {
    half_length: number | null;
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

/** Loss by position and by halves, before and after; of one prompt or the mean. */
export const losses: Question<{ prompt: number | null }, Losses> = { method: "loss/losses" };

/** Code for the losses. */
export const code: Question<{ prompt: number | null }, Code> = { method: "loss/code" };
