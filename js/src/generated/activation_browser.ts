// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * One kind of activation. ``{layer}`` in names stands for each of ``layers``, which is empty
 * outside of blocks. ``short``: what ``cache[...]`` takes beside the layer: one name, or a name
 * and a part of the block; empty where there is no short name. ``shape`` on all tokens, padding
 * included; -1 and ``n_bytes`` None where it depends on more than their number.
 */
export interface ActivationGroup {
  name: string;
  aliases: string[];
  layers: number[];
  short: string[];
  dims: string[];
  shape: number[];
  n_bytes: number | null;
}

/** Where an axis that is not shown was cut. */
export interface AxisCut {
  dim: string;
  index: number;
  size: number;
}

/** Every activation of a run, in the order in which they fire; ``n_bytes`` of all together. */
export interface Activations {
  numbers: never;
  texts: never;
  attrs: {
    groups: ActivationGroup[];
    n_activations: number;
    n_bytes: number;
    dtype: string;
  };
}

/**
 * One prompt's activation without padding: statistics of all of it, and a plane.
 *
 * ``values`` [row, column] begin at ``first_row`` and ``first_column`` of a plane of ``n_rows`` x
 * ``n_columns``; each is the largest magnitude of ``row_pool`` x ``column_pool`` numbers, NaN for
 * what is NaN or masked. ``column_dim`` is empty for a single axis. Statistics are of the ``n``
 * numbers that are finite, NaN where there is none: ``std`` with n - 1, ``zeros`` the fraction
 * that is zero; ``n_masked`` are attention scores that are masked, not in ``n``.
 */
export interface Slice {
  numbers: "n" | "mean" | "std" | "min" | "max" | "norm" | "zeros" | "n_nan" | "n_inf" | "n_masked" | "row" | "column" | "values";
  texts: "run";
  attrs: {
    activation: string;
    prompt: number;
    show: "baseline" | "current" | "difference";
    dims: string[];
    shape: number[];
    dtype: string;
    row_dim: string;
    column_dim: string;
    n_rows: number;
    n_columns: number;
    first_row: number;
    first_column: number;
    row_pool: number;
    column_pool: number;
    cuts: AxisCut[];
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

/** Every activation; those that differ in their layer alone are told together. */
export const listing: Question<Record<string, never>, Activations> = { method: "activation_browser/listing" };

/**
 * Statistics of one activation of one prompt, and a plane as fine as a message allows.
 *
 * Axes that are not shown are cut at ``head`` and ``query_pos`` (None: the last). With
 * ``row_from`` or ``column_from`` it is the part that begins there, number by number.
 */
export const plane: Question<{ activation: string; prompt: number; show: "baseline" | "current" | "difference"; slice_rows?: "pos" | "head"; head?: number; query_pos?: number | null; row_from?: number | null; column_from?: number | null }, Slice> = { method: "activation_browser/plane" };

/** Code that reads the activation, all prompts together. */
export const code: Question<{ activation: string; show: "baseline" | "current" | "difference" }, Code> = { method: "activation_browser/code" };

export const OPTIONS: {
  activation: OptionSpec<string>;
  show: OptionSpec<"baseline" | "current" | "difference">;
  slice_rows: OptionSpec<"pos" | "head">;
  group_by: OptionSpec<"layer" | "hook">;
} = {
  /** A hook such as "blocks.0.hook_resid_post"; empty for none. */
  activation: {
    name: "activation",
    initial: "",
    is: (value: unknown): value is string => typeof value === "string",
  },
  /** Which run's numbers, or their difference. */
  show: {
    name: "show",
    initial: "current",
    is: (value: unknown): value is "baseline" | "current" | "difference" => value === "baseline" || value === "current" || value === "difference",
  },
  /** Whether the slice has positions or heads down. */
  slice_rows: {
    name: "slice_rows",
    initial: "pos",
    is: (value: unknown): value is "pos" | "head" => value === "pos" || value === "head",
  },
  /** Whether the list goes by layer or by hook. */
  group_by: {
    name: "group_by",
    initial: "layer",
    is: (value: unknown): value is "layer" | "hook" => value === "layer" || value === "hook",
  },
};
