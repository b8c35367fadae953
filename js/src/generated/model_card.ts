// Written by `python -m lens_widgets.views.generate`.

import type { Question } from "../wire/question";

/**
 * Facts (``group`` is shape, design, weights or tokenizer), findings (``works`` is false where
 * something cannot be had, ``how`` says how it was tried), and every parameter.
 *
 * A matrix is listed once for the layers it is in: ``layers`` ("0-11"; empty outside of blocks).
 * ``shape`` is one layer's, by ``axes`` where those have names; ``count`` and ``megabytes`` are
 * over all layers. ``shared`` names what else is the same parameter, ``code`` reads the first.
 */
export interface Card {
  numbers: "works" | "count" | "megabytes";
  texts: "group" | "fact" | "value" | "note" | "finding" | "how" | "matrix" | "name" | "matrix_group" | "shape" | "axes" | "layers" | "shared" | "code";
  attrs: {
    total: number;
    total_megabytes: number;
    units: string;
    definition: string;
  };
}

/** Facts, findings and matrices; the model is not run. */
export const card: Question<Record<string, never>, Card> = { method: "model_card/card" };
