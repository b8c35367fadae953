// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "../wire/question";

/**
 * The edges of a circuit, strongest first, at most so many as can be drawn.
 *
 * ``n_chosen`` highest edges of ``n_all``; ``n_edges`` of them lead from the embedding to the
 * logits and are the circuit. ``stability``: the share of resamples of the prompts in which an
 * edge's score has its sign; NaN for one prompt. ``method``: the one that scores are by.
 */
export interface Edges {
  numbers: "score" | "stability";
  texts: "writer" | "reader";
  attrs: {
    n_edges: number;
    n_chosen: number;
    n_all: number;
    n_nodes: number;
    heads_per_group: number;
    share: number;
    stops: number[];
    method: "eap" | "eap-ig" | "relp";
    metric: string;
    units: string;
    definition: string;
  };
}

/**
 * How much of the metric's difference circuits of growing size keep, measured.
 *
 * ``random_low`` and ``random_high``: of circuits of as many random edges. Faithfulness is 1 where
 * the circuit does what the whole model does, 0 where it does no more than no circuit.
 */
export interface Curve {
  numbers: "share" | "n_edges" | "faithfulness" | "sem" | "random_low" | "random_high";
  texts: never;
  attrs: {
    cpr: number | null;
    cmd: number | null;
    method: "eap" | "eap-ig" | "relp";
    whole: number;
    empty: number;
    metric: string;
    units: string;
    definition: string;
  };
}

/**
 * What one edge does: ``change`` of the metric, in its units, when it is cut beside all that is
 * in force.
 */
export interface OneEdge {
  numbers: never;
  texts: never;
  attrs: {
    change: number;
    current: number;
    cut: boolean;
    units: string;
    definition: string;
  };
}

/** An estimate of where along the prompts an edge acts, named by the tokens of ``tokens_of``. */
export interface EdgePlaces {
  numbers: "score" | "pos";
  texts: never;
  attrs: {
    tokens_of: number;
    units: string;
    definition: string;
  };
}

/**
 * How well each estimate agrees with what ``n_exact`` edges do exactly when one reader alone
 * reads the clean run's share: the strongest by each method, and some of all others. NaN for a
 * method that this model has no rules for. ``best``: the one that agrees best.
 */
export interface Agreements {
  numbers: "linear" | "rank";
  texts: "method";
  attrs: {
    best: "eap" | "eap-ig" | "relp";
    n_exact: number;
    units: string;
    definition: string;
  };
}

/** What a node reads most from and what reads it most, by the size of the score. */
export interface NodeEdges {
  numbers: "score";
  texts: "writer" | "reader";
  attrs: {
    units: string;
    definition: string;
  };
}

/** What several nodes do together: ``change`` of the metric when all that they give is cut. */
export interface Group {
  numbers: never;
  texts: never;
  attrs: {
    change: number;
    apart: number;
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
 * A part of a file's text, which is ASCII; ``parts`` of them are the whole, whose SHA-256 is
 * ``digest``.
 */
export interface FilePart {
  numbers: never;
  texts: never;
  attrs: {
    text: string;
    parts: number;
    digest: string;
  };
}

/**
 * The circuit of the highest edges, pruned, strongest edge first.
 *
 * Until the best method is known, those by integrated gradients, where that takes a while.
 */
export const edges: Question<{ edge_method: "best" | "eap" | "eap-ig" | "relp"; circuit_share: number | null }, Edges> = { method: "circuit/edges" };

/** Faithfulness of the circuits of ten sizes, measured, beside random ones. */
export const curve: Question<{ edge_method: "best" | "eap" | "eap-ig" | "relp"; cut_kind: "resample" | "mean" | "zero" }, Curve> = { method: "circuit/curve" };

/** An edge's exact effect: two runs, one of which is known. */
export const edge: Question<{ cut_kind: "resample" | "mean" | "zero"; writer: string; reader: string }, OneEdge> = { method: "circuit/edge" };

/** Where along the prompts an edge acts, by the estimate. */
export const places: Question<{ edge_method: "best" | "eap" | "eap-ig" | "relp"; writer: string; reader: string }, EdgePlaces> = { method: "circuit/places" };

/** Correlations of the three estimates with exact effects of some edges. */
export const agreements: Question<Record<string, never>, Agreements> = { method: "circuit/agreements" };

/** The edges into and out of a node, the largest of each. */
export const node: Question<{ edge_method: "best" | "eap" | "eap-ig" | "relp"; node: string }, NodeEdges> = { method: "circuit/node" };

/** The joint effect of a group of nodes, beside the sum of what each does alone. */
export const group: Question<{ cut_kind: "resample" | "mean" | "zero"; nodes: string[] }, Group> = { method: "circuit/group" };

/** Code of the model with the circuit's edges alone: all others are cut. */
export const code: Question<{ edge_method: "best" | "eap" | "eap-ig" | "relp"; cut_kind: "resample" | "mean" | "zero"; circuit_share: number | null }, Code> = { method: "circuit/code" };

/**
 * The circuit as ``Circuit.save`` writes it, some 400 kB at a time: all of it would be more
 * than a message holds.
 */
export const file: Question<{ edge_method: "best" | "eap" | "eap-ig" | "relp"; circuit_share: number | null; part: number }, FilePart> = { method: "circuit/file" };

export const OPTIONS: {
  edge_method: OptionSpec<"best" | "eap" | "eap-ig" | "relp">;
  cut_kind: OptionSpec<"resample" | "mean" | "zero">;
  circuit_share: OptionSpec<number | null>;
} = {
  /** How edges are estimated: ``'eap'`` by the gradient, ``'eap-ig'`` by integrated gradients, ``'relp'`` by relevance, or ``'best'``, of these the one that agrees best with some exact edges. */
  edge_method: {
    name: "edge_method",
    initial: "best",
    is: (value: unknown): value is "best" | "eap" | "eap-ig" | "relp" => value === "best" || value === "eap" || value === "eap-ig" || value === "relp",
  },
  /** What takes the place of a cut edge: the corrupted run's value, the mean, or zero. */
  cut_kind: {
    name: "cut_kind",
    initial: "resample",
    is: (value: unknown): value is "resample" | "mean" | "zero" => value === "resample" || value === "mean" || value === "zero",
  },
  /** The circuit's size as a share of all edges, before pruning; None: the first size of some 25 edges. */
  circuit_share: {
    name: "circuit_share",
    initial: null,
    is: (value: unknown): value is number | null => typeof value === "number" && Number.isFinite(value) || value === null,
  },
};
