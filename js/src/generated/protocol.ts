// Written by `python -m lens_widgets.wire.generate` from wire/protocol.py.

import type { Signal } from "@preact/signals";

export const MAX_REPLY_BYTES = 1000000;
export const MAX_REQUEST_BYTES = 64000;
export const MAX_PROGRESS_PER_SECOND = 10;

/** A buffer's meaning: value = raw * scale + offset, row-major. */
export interface ArrayRef {
  buffer: number;
  dtype: "uint8" | "int8" | "int32" | "float32";
  shape: number[];
  scale: number;
  offset: number;
}

export interface Request {
  kind: "request";
  id: string;
  slot: string;
  seq: number;
  method: string;
  args: Record<string, unknown>;
}

/** Stops the running request of a slot; its answer is an error of type ``Cancelled``. */
export interface Cancel {
  kind: "cancel";
  slot: string;
}

export interface Reply {
  kind: "reply";
  id: string;
  slot: string;
  seq: number;
  result: Record<string, unknown>;
}

/** ``waiting``: a cell is running. ``partial`` has the method's result type, as far as known. */
export interface Progress {
  kind: "progress";
  id: string;
  slot: string;
  seq: number;
  state: "computing" | "waiting";
  done: number;
  total: number;
  label: string;
  partial?: Record<string, unknown>;
}

/**
 * ``type`` is ``Superseded`` (a newer request won) or ``Cancelled``, or the exception's
 * name.
 */
export interface ErrorInfo {
  type: string;
  message: string;
  hint: string;
}

export interface ErrorMessage {
  kind: "error";
  id: string;
  slot: string;
  seq: number;
  error: ErrorInfo;
}

/** What every linked view has in focus. Positions are None when nothing is locked. */
export interface Selection {
  layer: number;
  head: number;
  query_pos: number | null;
  key_pos: number | null;
  prompt: number;
}

/** One line of the list of interventions. ``key`` names it in requests. */
export interface InterventionInfo {
  key: string;
  label: string;
  component: string;
  kind: string;
  detail: string;
  enabled: boolean;
}

/**
 * ``revision`` grows with every change that can move a number, ``prompts_revision`` with the
 * prompts or the metric only.
 */
export interface SessionState {
  revision: number;
  prompts_revision: number;
  interventions: InterventionInfo[];
  can_undo: boolean;
  can_redo: boolean;
  closed: boolean;
}

/** What does not change while a session lives. ``notes`` are limits the view should show. */
export interface SessionInfo {
  model_name: string;
  n_layers: number;
  n_heads: number;
  n_ctx: number;
  mlp_layers: number[];
  device: string;
  dtype: string;
  weights: string;
  notes: string[];
}

/**
 * Every view's options, each a synced trait of the same name on the widgets that have it.
 *
 * An option is a Literal of strings, int, float, str, bool, a list of one of these, or any of them
 * ``| None``. It starts as the first choice, 0, "", False, [] or None, or as what it is
 * ``Annotated`` with. ``widgets/options.py`` makes the trait, ``session.option("k")`` reads it.
 */
export interface Options {
  show: "baseline" | "current" | "difference";
  token_mode: "from" | "to";
  color: "loss" | "hit";
  by: "head" | "layer" | "component";
  scope: "mean" | "selected";
  kind: "zero" | "mean" | "resample";
  values: "attribution" | "effect";
}

/** The metric behind every number of a reply, mean over ``n_prompts`` prompts. */
export interface Summary {
  metric: string;
  units: string;
  n_prompts: number;
  baseline: number | null;
  current: number | null;
  revision: number;
}

export type Empty = Record<string, never>;

export interface PromptArgs {
  prompt: number;
}

/** ``text`` is safe to show: spaces as a middle dot, bytes of split characters as ``\xC3``. */
export interface TokenInfo {
  id: number;
  text: string;
}

export interface AnswerInfo {
  correct: TokenInfo;
  wrong: TokenInfo;
}

/** ``text``, ``correct`` and ``wrong`` are what the editor starts from, verbatim. */
export interface TokensResult {
  summary: Summary;
  prompt: number;
  n_prompts: number;
  text: string;
  correct: string;
  wrong: string;
  corrupted: string | null;
  tokens: TokenInfo[];
  answer: AnswerInfo | null;
}

/**
 * Per position of one prompt, with the interventions. ``loss`` in nats for predicting the next
 * token (NaN at the last), ``prob`` and ``rank`` (0 = first) of the true next token, ``hit`` 1
 * where it ranks first. ``top_probs`` is [pos, k]; ``top_tokens`` its texts. Baselines beside
 * them.
 */
export interface TokenStatsResult {
  summary: Summary;
  prompt: number;
  tokens: TokensResult;
  loss: ArrayRef;
  baseline_loss: ArrayRef;
  prob: ArrayRef;
  rank: ArrayRef;
  top_probs: ArrayRef;
  top_tokens: TokenInfo[][];
}

/** Replaces one prompt. Empty ``correct`` and ``wrong`` keep the session without answers. */
export interface EditPromptArgs {
  prompt: number;
  text: string;
  correct: string;
  wrong: string;
  corrupted?: string | null;
}

export interface PatternsArgs {
  prompt: number;
  which: "baseline" | "current" | "difference";
}

/**
 * All heads of one prompt, ``patterns`` [layer, head, query, key]; ``pool`` > 1 when each cell
 * is the largest of pool x pool weights (largest magnitude for the difference).
 */
export interface PatternsResult {
  summary: Summary;
  tokens: TokensResult;
  patterns: ArrayRef;
  pool: number;
}

export interface PatternArgs {
  prompt: number;
  which: "baseline" | "current" | "difference";
  layer: number;
  head: number;
}

/**
 * One head, ``pattern`` [query, key]; ``exact`` false when quantised to fit a message, and
 * pooled as in ``PatternsResult`` when even that is too large.
 */
export interface PatternResult {
  summary: Summary;
  prompt: number;
  layer: number;
  head: number;
  which: "baseline" | "current" | "difference";
  exact: boolean;
  pool: number;
  pattern: ArrayRef;
}

export interface PatternLinesArgs {
  prompt: number;
  which: "baseline" | "current" | "difference";
  layer: number;
  head: number;
  query_pos: number;
  key_pos: number;
}

/**
 * Exact weights through one cell: ``row`` [key] of the query and ``column`` [query] of the
 * key.
 */
export interface PatternLinesResult {
  row: ArrayRef;
  column: ArrayRef;
}

export interface AttributionArgs {
  by: "head" | "layer" | "component";
  scope: "mean" | "selected";
  prompt: number;
}

/** ``component`` as TransformerLens names it. ``ablatable`` tells whether it has a switch. */
export interface AttributionRow {
  component: string;
  layer: number | null;
  head: number | null;
  baseline: number | null;
  current: number | null;
  ablatable: boolean;
}

/** Direct effects that sum to ``total``; ``definition`` says of what, in one sentence. */
export interface AttributionResult {
  summary: Summary;
  rows: AttributionRow[];
  total: AttributionRow;
  units: string;
  definition: string;
}

export interface AblationGridArgs {
  kind: "zero" | "mean" | "resample";
  values: "attribution" | "effect";
  scope: "mean" | "selected";
  prompt: number;
}

/**
 * ``heads`` [layer, head] and ``mlps`` [layer]; NaN where unknown yet or absent. With
 * ``values="effect"``: metric after ablating that one component minus the metric now.
 */
export interface AblationGridResult {
  summary: Summary;
  heads: ArrayRef;
  mlps: ArrayRef;
  units: string;
  definition: string;
}

/** ``worth``: metric with everything active minus the metric without this one. */
export interface InterventionWorth {
  key: string;
  worth: number | null;
}

export interface Prediction {
  token: TokenInfo;
  baseline: number;
  current: number;
}

/**
 * What the active interventions do together (``summary``), one by one, and to the next token of
 * the selected prompt (``predictions``: union of both top fives, by baseline).
 */
export interface EffectsResult {
  summary: Summary;
  worths: InterventionWorth[];
  predictions: Prediction[];
  prompt: number;
  baseline: number | null;
  current: number | null;
}

export interface ToggleArgs {
  component: string;
  kind: "zero" | "mean" | "resample";
}

export interface KeyArgs {
  key: string;
}

export interface EnableArgs {
  key: string;
  enabled: boolean;
}

export interface ChangeResult {
  revision: number;
}

export interface CodeResult {
  code: string;
}

/** What an option starts from where a widget has no such trait, and its values. */
export const OPTIONS: {
  readonly [K in keyof Options]: {
    readonly initial: Options[K];
    readonly is: (value: unknown) => value is Options[K];
  };
} = {
  show: {
    initial: "current",
    is: (value): value is Options["show"] => value === "baseline" || value === "current" || value === "difference",
  },
  token_mode: {
    initial: "from",
    is: (value): value is Options["token_mode"] => value === "from" || value === "to",
  },
  color: {
    initial: "loss",
    is: (value): value is Options["color"] => value === "loss" || value === "hit",
  },
  by: {
    initial: "head",
    is: (value): value is Options["by"] => value === "head" || value === "layer" || value === "component",
  },
  scope: {
    initial: "mean",
    is: (value): value is Options["scope"] => value === "mean" || value === "selected",
  },
  kind: {
    initial: "zero",
    is: (value): value is Options["kind"] => value === "zero" || value === "mean" || value === "resample",
  },
  values: {
    initial: "attribution",
    is: (value): value is Options["values"] => value === "attribution" || value === "effect",
  },
};

export type OptionSignals = { [K in keyof Options]: Signal<Options[K]> };

/** Every option as a signal, each made by `read`. */
export function readOptions(
  read: <K extends keyof Options>(name: K) => Signal<Options[K]>,
): OptionSignals {
  return {
    show: read("show"),
    token_mode: read("token_mode"),
    color: read("color"),
    by: read("by"),
    scope: read("scope"),
    kind: read("kind"),
    values: read("values"),
  };
}

export interface Methods {
  tokens: { args: PromptArgs; result: TokensResult };
  token_stats: { args: PromptArgs; result: TokenStatsResult };
  edit_prompt: { args: EditPromptArgs; result: ChangeResult };
  patterns: { args: PatternsArgs; result: PatternsResult };
  pattern: { args: PatternArgs; result: PatternResult };
  pattern_lines: { args: PatternLinesArgs; result: PatternLinesResult };
  attribution: { args: AttributionArgs; result: AttributionResult };
  ablation_grid: { args: AblationGridArgs; result: AblationGridResult };
  effects: { args: PromptArgs; result: EffectsResult };
  toggle: { args: ToggleArgs; result: ChangeResult };
  set_enabled: { args: EnableArgs; result: ChangeResult };
  remove: { args: KeyArgs; result: ChangeResult };
  undo: { args: Empty; result: ChangeResult };
  redo: { args: Empty; result: ChangeResult };
  clear: { args: Empty; result: ChangeResult };
  code: { args: Empty; result: CodeResult };
}
