// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * One neuron along one prompt, without the interventions and under them.
 *
 * ``n_neurons``: how many its layer has. ``largest``: its largest magnitude in all prompts and
 * both runs, so that one scale holds for all of them.
 */
export interface Activations {
  numbers: "baseline" | "current" | "pos";
  texts: never;
  attrs: {
    neuron: string;
    layer: number;
    index: number;
    n_neurons: number;
    prompt: number;
    largest: number;
    units: string;
    definition: string;
  };
}

/**
 * Where a neuron is highest and where it is lowest, in all prompts, the most extreme first:
 * its ``activation``, and the token there with its ``prompt`` and position ``pos``.
 */
export interface Places {
  numbers: "activation" | "prompt" | "pos" | "token_id";
  texts: "end" | "token";
  attrs: {
    neuron: string;
    units: string;
    definition: string;
  };
}

/**
 * The neurons with the largest magnitude at ``query_pos``, largest first, along the prompt.
 *
 * ``neuron``: names such as ``"L3N1024"``, of which ``layer`` and ``index`` are the parts.
 */
export interface Strongest {
  numbers: "layer" | "index" | "activation" | "pos";
  texts: "neuron";
  attrs: {
    prompt: number;
    query_pos: number;
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

/** One neuron along one prompt, before and after. */
export const activations: Question<{ neuron: string | null; prompt: number }, Activations> = { method: "neuron/activations" };

/**
 * Where a neuron is highest and lowest in all prompts; for the difference, where the
 * interventions raise and lower it most.
 */
export const places: Question<{ neuron: string | null; show: "baseline" | "current" | "difference"; top_k: number }, Places> = { method: "neuron/places" };

/**
 * The neurons that are strongest at one position (None: the last), along the prompt. For
 * the difference: how those changed that are strongest under the interventions.
 */
export const strongest: Question<{ prompt: number; query_pos: number | null; show: "baseline" | "current" | "difference"; top_k: number }, Strongest> = { method: "neuron/strongest" };

/**
 * Code for the neuron's activations in all prompts, and where they are highest and
 * lowest.
 */
export const code: Question<{ neuron: string | null; show: "baseline" | "current" | "difference"; top_k: number }, Code> = { method: "neuron/code" };

/** Code for the strongest neurons at a position. */
export const strongestCode: Question<{ prompt: number; query_pos: number | null; show: "baseline" | "current" | "difference"; top_k: number }, Code> = { method: "neuron/strongest_code" };

export const OPTIONS: {
  neuron: OptionSpec<string | null>;
  show: OptionSpec<"baseline" | "current" | "difference">;
  top_k: OptionSpec<number>;
} = {
  /** A layer and a neuron of its MLP, as in ``"L3N1024"``; as it opens the neuron with the largest direct effect, of the MLP with the largest. */
  neuron: {
    name: "neuron",
    initial: null,
    is: (value: unknown): value is string | null => typeof value === "string" || value === null,
  },
  /** Which run's activations, or their difference. */
  show: {
    name: "show",
    initial: "current",
    is: (value: unknown): value is "baseline" | "current" | "difference" => value === "baseline" || value === "current" || value === "difference",
  },
  /** How many tokens and neurons the lists name. */
  top_k: {
    name: "top_k",
    initial: 10,
    is: (value: unknown): value is number => typeof value === "number" && Number.isInteger(value),
  },
};
