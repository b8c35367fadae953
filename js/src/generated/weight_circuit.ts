// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/** A circuit of a head; ``"K"``, ``"Q"`` and ``"V"`` are of an earlier head, the writer, too. */
export interface CircuitChoice {
  circuit: "OV" | "QK" | "positions" | "K" | "Q" | "V";
  layer: number;
  head: number;
  writer_layer: number | null;
  writer_head: number | null;
}

/**
 * Entries of a circuit that has ``n_rows`` and ``n_columns``, which count what ``axis`` says.
 *
 * ``row`` and ``column`` are token ids or positions. From ``pool`` 2 on each entry is the one of
 * the largest magnitude among ``pool`` x ``pool``, the first of which are named; ``max_pool`` is
 * the coarsest that can be asked for. ``weights``: how the model's were processed.
 */
export interface Tile {
  numbers: "row" | "column" | "value";
  texts: "row_label" | "column_label";
  attrs: {
    circuit: string;
    axis: "token" | "position";
    n_rows: number;
    n_columns: number;
    rank: number;
    pool: number;
    max_pool: number;
    weights: string;
    units: string;
    definition: string;
  };
}

/**
 * The columns with the largest and with the smallest entries of one row, strongest first.
 *
 * ``own``: the entry of its own token's (or position's) column, below ``own_rank`` others.
 */
export interface Row {
  numbers: "value" | "column";
  texts: "end" | "column_label";
  attrs: {
    row: number;
    row_label: string;
    own: number | null;
    own_rank: number;
    units: string;
    definition: string;
  };
}

/** Tokens whose text as shown contains what was searched for, shortest first. */
export interface Found {
  numbers: "token_id";
  texts: "token";
  attrs: {
  };
}

/** All singular values of a circuit, largest first. */
export interface Spectrum {
  numbers: "singular_value";
  texts: never;
  attrs: {
    units: string;
    definition: string;
  };
}

/**
 * Entries of one pair of singular vectors, which have length 1: the tokens at both ends of the
 * ``side`` of the rows and of that of the columns.
 */
export interface Direction {
  numbers: "value" | "token_id";
  texts: "side" | "end" | "token";
  attrs: {
    direction: number;
    singular_value: number | null;
    units: string;
    definition: string;
  };
}

/**
 * Of the ``done`` rows looked at so far, of ``total``: how many have their own token first
 * (``top1``) and among the first five (``top5``) of their columns.
 */
export interface Copied {
  numbers: never;
  texts: never;
  attrs: {
    done: number;
    total: number;
    top1: number;
    top5: number;
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
 * Between the tokens of a prompt, each once; or ``size`` x ``size`` entries from ``row``
 * and ``col`` on, with ``pool`` as large as can be looked at.
 */
export const tile: Question<{ choice: CircuitChoice; circuit_tokens: "prompt" | "vocabulary"; prompt: number; row?: number; col?: number; size?: number; pool?: number }, Tile> = { method: "weight_circuit/tile" };

/** The largest and smallest entries of one row. */
export const row: Question<{ choice: CircuitChoice; row: number; top_k: number }, Row> = { method: "weight_circuit/row" };

/** Tokens by a part of their text; a space is written as it is or as a middle dot. */
export const find: Question<{ choice: CircuitChoice; text: string }, Found> = { method: "weight_circuit/find" };

/** All singular values, largest first. */
export const spectrum: Question<{ choice: CircuitChoice }, Spectrum> = { method: "weight_circuit/spectrum" };

/** The tokens at both ends of one singular direction, on both sides. */
export const direction: Question<{ choice: CircuitChoice; direction: number; top_k: number }, Direction> = { method: "weight_circuit/direction" };

/** How many tokens a circuit leads back to themselves, rows by rows. */
export const copy: Question<{ choice: CircuitChoice }, Copied> = { method: "weight_circuit/copy" };

/** Code for the entries that ``tile`` gives. */
export const code: Question<{ choice: CircuitChoice; circuit_tokens: "prompt" | "vocabulary"; prompt: number; row?: number; col?: number; size?: number; pool?: number }, Code> = { method: "weight_circuit/code" };

export const OPTIONS: {
  circuit: OptionSpec<"OV" | "QK" | "positions" | "K" | "Q" | "V">;
  circuit_tokens: OptionSpec<"prompt" | "vocabulary">;
  top_k: OptionSpec<number>;
} = {
  /** ``"OV"``, ``"QK"`` or ``"positions"`` of the head; ``"K"``, ``"Q"`` or ``"V"`` of the pair: what it reads of what the earlier head wrote. */
  circuit: {
    name: "circuit",
    initial: "OV",
    is: (value: unknown): value is "OV" | "QK" | "positions" | "K" | "Q" | "V" => value === "OV" || value === "QK" || value === "positions" || value === "K" || value === "Q" || value === "V",
  },
  /** Between the tokens of the selected prompt, or over the vocabulary, by windows. */
  circuit_tokens: {
    name: "circuit_tokens",
    initial: "prompt",
    is: (value: unknown): value is "prompt" | "vocabulary" => value === "prompt" || value === "vocabulary",
  },
  /** How many tokens a list names. */
  top_k: {
    name: "top_k",
    initial: 10,
    is: (value: unknown): value is number => typeof value === "number" && Number.isInteger(value),
  },
};
