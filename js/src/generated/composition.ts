// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * Scores of source heads with destination heads, NaN where the destination is not later.
 *
 * ``random`` and ``random_spread``: mean and standard deviation of the scores of ``random_seeds``
 * pairs of Gaussian matrices of the same shapes. ``weights``: how the model's were processed.
 */
export interface Composition {
  numbers: "score" | "src_layer" | "src_head" | "dst_layer" | "dst_head";
  texts: never;
  attrs: {
    random: number;
    random_spread: number;
    random_seeds: number;
    weights: string;
    units: string;
    definition: string;
  };
}

/**
 * The largest score of any two heads of two layers, NaN where the destination is not later; and
 * the pairs of heads with the largest scores of all, largest first, fewer than asked for where
 * there are fewer. The rest as of ``Composition``.
 */
export interface LayerPairs {
  numbers: "largest" | "src_layer" | "dst_layer" | "score" | "writer_layer" | "writer_head" | "reader_layer" | "reader_head";
  texts: never;
  attrs: {
    random: number;
    random_spread: number;
    random_seeds: number;
    weights: string;
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
 * Scores of all pairs, layer by layer; with ``dst_layers`` only into so many layers from
 * ``dst_from`` on, for pages that show a large model part by part.
 */
export const scores: Question<{ composition: "Q" | "K" | "V"; subtract_random: boolean; dst_from?: number; dst_layers?: number | null }, Composition> = { method: "composition/scores" };

/**
 * The largest score between any two layers, and the k pairs of heads with the largest of
 * all: what is shown first of a model whose pairs are too many for one map.
 */
export const layers: Question<{ composition: "Q" | "K" | "V"; subtract_random: boolean; k?: number }, LayerPairs> = { method: "composition/layers" };

/** Code for the scores of all pairs. */
export const code: Question<{ composition: "Q" | "K" | "V"; subtract_random: boolean }, Code> = { method: "composition/code" };

export const OPTIONS: {
  composition: OptionSpec<"Q" | "K" | "V">;
  subtract_random: OptionSpec<boolean>;
} = {
  /** Whether the later head's keys (``"K"``), queries (``"Q"``) or values (``"V"``) read what the earlier one wrote. */
  composition: {
    name: "composition",
    initial: "K",
    is: (value: unknown): value is "Q" | "K" | "V" => value === "Q" || value === "K" || value === "V",
  },
  /** Whether the score of random matrices is subtracted. */
  subtract_random: {
    name: "subtract_random",
    initial: true,
    is: (value: unknown): value is boolean => typeof value === "boolean",
  },
};
