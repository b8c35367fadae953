// Written by `python -m lens_widgets.wire.generate` from wire/protocol.py.

import type { Signal } from "@preact/signals";

export const MAX_REPLY_BYTES = 1000000;
export const MAX_REQUEST_BYTES = 64000;
export const MAX_PROGRESS_PER_SECOND = 10;

/**
 * A buffer's meaning: value = raw * scale + offset, row-major; int8 -128 is no value (NaN).
 * ``pool``: each is the largest of a block of so many rows and columns of the last two axes.
 */
export interface ArrayRef {
  buffer: number;
  dtype: "uint8" | "int8" | "int32" | "float32";
  shape: number[];
  scale: number;
  offset: number;
  pool?: number[];
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

/** ``revision``: that of the session whose numbers these are. */
export interface Reply {
  kind: "reply";
  id: string;
  slot: string;
  seq: number;
  revision: number;
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

/**
 * What every linked view has in focus. Positions are None when nothing is locked. The writer is
 * the earlier head of a chosen pair, None when a single head is chosen; the stripe is the kind of
 * score whose cells are outlined over patterns.
 */
export interface Selection {
  layer: number;
  head: number;
  query_pos: number | null;
  key_pos: number | null;
  prompt: number;
  writer_layer?: number | null;
  writer_head?: number | null;
  stripe?: "previous" | "current" | "first" | "induction" | "duplicate" | null;
}

/**
 * One line of the list of interventions. ``key`` names it in requests; ``cell`` is the cell of
 * a patching map that it keeps, if it is one.
 */
export interface InterventionInfo {
  key: string;
  label: string;
  component: string;
  kind: string;
  detail: string;
  enabled: boolean;
  cell: PatchCell | null;
}

/**
 * ``revision`` grows with every change that can move a number, ``prompts_revision`` with the
 * prompts or the metric only.
 */
export interface SessionState {
  revision: number;
  prompts_revision: number;
  n_prompts: number;
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
  attention_mode: "pattern" | "value" | "scores";
  head_average: "none" | "layer" | "all";
  skip_bos: boolean;
  read_at: "metric" | "selected";
  lens_color: "prob" | "rank" | "kl";
  lens_target: "auto" | "answer" | "next";
  lens_order: "last_on_top" | "first_on_top";
  incl_mid: boolean;
  pins: number[];
  composition: "K" | "Q" | "V";
  subtract_random: boolean;
  circuit: "OV" | "QK" | "positions" | "K" | "Q" | "V";
  circuit_tokens: "prompt" | "vocabulary";
  top_k: number;
  neuron: string;
  sources_by: "head" | "layer";
  query_source: string;
  key_source: string;
  patch_maps: "blocks" | "heads";
  patch_into: "corrupted" | "clean";
  by_pos: boolean;
  normalize: boolean;
  activation: string;
  slice_rows: "pos" | "head";
  group_by: "layer" | "hook";
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

/**
 * ``text``, ``correct`` and ``wrong`` are what the editor starts from, verbatim. ``bos``: the
 * prompt begins with the tokenizer's BOS.
 */
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
  bos: boolean;
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
  baseline_rank: ArrayRef;
  accuracy: Accuracy;
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
  attention_mode?: "pattern" | "value" | "scores";
}

/**
 * All heads of one prompt, ``patterns`` [layer, head, query, key], NaN where a score is masked;
 * ``pool`` > 1 when each cell is the largest of pool x pool weights (largest magnitude for
 * differences and scores). ``definition`` says in words what they are.
 */
export interface PatternsResult {
  summary: Summary;
  tokens: TokensResult;
  patterns: ArrayRef;
  pool: number;
  which: "baseline" | "current" | "difference";
  attention_mode: "pattern" | "value" | "scores";
  units: string;
  definition: string;
}

export interface PatternArgs {
  prompt: number;
  which: "baseline" | "current" | "difference";
  attention_mode?: "pattern" | "value" | "scores";
  head_average?: "none" | "layer" | "all";
  layer: number;
  head: number;
}

/**
 * One head, or the mean over its layer's or over all heads, ``pattern`` [query, key]; ``exact``
 * false when quantised to fit a message, and pooled as in ``PatternsResult`` when even that is too
 * large.
 */
export interface PatternResult {
  summary: Summary;
  prompt: number;
  layer: number;
  head: number;
  which: "baseline" | "current" | "difference";
  attention_mode: "pattern" | "value" | "scores";
  head_average: "none" | "layer" | "all";
  exact: boolean;
  pool: number;
  pattern: ArrayRef;
}

export interface PatternLinesArgs {
  prompt: number;
  which: "baseline" | "current" | "difference";
  attention_mode?: "pattern" | "value" | "scores";
  head_average?: "none" | "layer" | "all";
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

/** ``pos`` reads the logits there instead of where the metric does. */
export interface AttributionArgs {
  by: "head" | "layer" | "component";
  scope: "mean" | "selected";
  prompt: number;
  pos?: number | null;
}

/** ``component`` as TransformerLens names it. ``ablatable`` tells whether it has a switch. */
export interface AttributionRow {
  baseline: number | null;
  current: number | null;
  baseline_sem: number | null;
  current_sem: number | null;
  change_sem: number | null;
  component: string;
  layer: number | null;
  head: number | null;
  ablatable: boolean;
}

/**
 * Direct effects that sum to ``total``; ``definition`` says of what, in one sentence.
 * ``n_read``: how many prompts a mean is over.
 */
export interface AttributionResult {
  summary: Summary;
  rows: AttributionRow[];
  total: AttributionRow;
  units: string;
  definition: string;
  n_read: number;
}

export interface HeadSourcesArgs {
  prompt: number;
  layer: number;
  head: number;
  pos?: number | null;
}

/**
 * One head's direct effect on one prompt by the token whose value carried it. ``baseline`` and
 * ``current`` are [key]; they sum to the totals but for the ``rest``, which interventions put into
 * the head.
 */
export interface HeadSourcesResult {
  summary: Summary;
  tokens: TokenInfo[];
  baseline: ArrayRef;
  current: ArrayRef;
  baseline_total: number | null;
  current_total: number | null;
  rest: number | null;
  units: string;
  definition: string;
}

/** The ``k`` neurons of one MLP that matter most, before or after the interventions. */
export interface MlpNeuronsArgs {
  layer: number;
  scope: "mean" | "selected";
  prompt: number;
  pos?: number | null;
  k: number;
}

/** ``activation`` is what enters the output weights, at the positions read. */
export interface NeuronRow {
  baseline: number | null;
  current: number | null;
  baseline_sem: number | null;
  current_sem: number | null;
  change_sem: number | null;
  neuron: number;
  activation: number | null;
}

/**
 * Largest first. ``others`` is what all the other neurons add, ``bias`` what the MLP adds
 * besides its neurons; with the rows they sum to the MLP's effect, ``total``.
 */
export interface MlpNeuronsResult {
  summary: Summary;
  layer: number;
  rows: NeuronRow[];
  others: EffectNumbers;
  bias: EffectNumbers;
  total: EffectNumbers;
  n_neurons: number;
  units: string;
  definition: string;
}

/** A direct effect, and for means its standard errors over prompts (of the change: paired). */
export interface EffectNumbers {
  baseline: number | null;
  current: number | null;
  baseline_sem: number | null;
  current_sem: number | null;
  change_sem: number | null;
}

/** Next tokens that rank first, of all ``tokens`` that are predicted in all prompts. */
export interface Accuracy {
  hits: number;
  baseline_hits: number;
  tokens: number;
}

/**
 * One prompt's text tokenized with and without BOS, ``tokens`` having it. Arrays are [2, pos]:
 * with, without. ``loss`` in nats for predicting the next token, ``rank`` of the true one, NaN and
 * -1 where there is none. ``own``: which of the two the session has.
 */
export interface BosResult {
  summary: Summary;
  prompt: number;
  tokens: TokenInfo[];
  own: "with" | "without";
  loss: ArrayRef;
  rank: ArrayRef;
}

/**
 * ``blocks``: residual stream, attention and MLP outputs by layer and position; ``heads``:
 * outputs, queries, keys, values and patterns by layer and head, with ``by_pos`` by position
 * too.
 */
export interface PatchingArgs {
  patch_maps: "blocks" | "heads";
  by_pos: boolean;
  patch_into: "corrupted" | "clean";
  normalize: boolean;
  scope: "mean" | "selected";
  prompt: number;
}

/** One cell of a map; ``head`` None for blocks, ``pos`` None for all positions. */
export interface PatchCell {
  node: string;
  layer: number;
  head: number | null;
  pos: number | null;
}

/**
 * One map in the order of ``dims``. ``exact`` is 0 where ``values`` are estimates still;
 * ``sem`` the standard error over prompts (NaN for one). ``rank_correlation`` compares the
 * estimate with the ``n_exact`` exact values known so far.
 */
export interface PatchMapInfo {
  node: string;
  title: string;
  dims: string[];
  values: ArrayRef;
  sem: ArrayRef;
  exact: ArrayRef;
  n_exact: number;
  rank_correlation: number | null;
}

/** ``tokens`` name the positions; ``missing`` says what this model cannot be patched at. */
export interface PatchingResult {
  summary: Summary;
  maps: PatchMapInfo[];
  tokens: TokenInfo[];
  missing: string[];
  clean: number | null;
  corrupted: number | null;
  units: string;
  definition: string;
}

/**
 * Keeps patches of the corrupted prompts' values in the session's own run, or takes them away
 * when all of them are kept.
 */
export interface TogglePatchesArgs {
  cells: PatchCell[];
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

/** A window of ``count`` positions from ``start``; the last ones unless told. */
export interface LensArgs {
  prompt: number;
  which: "baseline" | "current" | "difference";
  lens_target: "auto" | "answer" | "next";
  incl_mid: boolean;
  start?: number;
  count?: number;
}

/**
 * Arrays [stage, pos] of a window of one prompt. ``token`` is the likeliest next token and
 * ``was`` the baseline's; ``prob`` is the token's probability, ``rank`` and ``target_prob`` those
 * of the target at each position (``targets``, None where there is none), ``kl`` in nats. A
 * difference has changes of all but the tokens. ``texts`` are all tokens of the two arrays.
 */
export interface LensResult {
  summary: Summary;
  tokens: TokensResult;
  which: "baseline" | "current" | "difference";
  stages: string[];
  layers: number[];
  start: number;
  token: ArrayRef;
  was: ArrayRef;
  prob: ArrayRef;
  rank: ArrayRef;
  target_prob: ArrayRef;
  kl: ArrayRef;
  texts: TokenInfo[];
  targets: (TokenInfo | null)[];
  target: string;
  d_vocab: number;
}

export interface LensCellArgs {
  prompt: number;
  lens_target: "auto" | "answer" | "next";
  incl_mid: boolean;
  stage: string;
  pos: number;
  k: number;
}

/** One token at one stage: probability and rank (0 = first), before and after. */
export interface LensToken {
  token: TokenInfo;
  baseline: number;
  current: number;
  baseline_rank: number;
  current_rank: number;
}

/** The union of both top k, by current probability; ``kl`` from the final distribution, nats. */
export interface LensCellResult {
  summary: Summary;
  prompt: number;
  stage: string;
  pos: number;
  predictions: LensToken[];
  target: LensToken | null;
  baseline_kl: number;
  current_kl: number;
}

/**
 * No ``pins``: the answers, or the tokens that are likeliest at the end. ``query_pos`` None:
 * the prompt's last position.
 */
export interface LensPathArgs {
  prompt: number;
  query_pos: number | null;
  pins: number[];
  incl_mid: boolean;
}

/** Arrays [token, stage] at one position. */
export interface LensPathResult {
  summary: Summary;
  prompt: number;
  pos: number;
  stages: string[];
  tokens: TokenInfo[];
  baseline_prob: ArrayRef;
  current_prob: ArrayRef;
  baseline_rank: ArrayRef;
  current_rank: ArrayRef;
  d_vocab: number;
}

export interface LensLinesArgs {
  scope: "mean" | "selected";
  prompt: number;
  incl_mid: boolean;
}

/**
 * Values by ``names`` with their standard errors over prompts; NaN for a single prompt.
 * ``change`` is current minus baseline, its error that of the paired changes.
 */
export interface Curve {
  names: string[];
  baseline: ArrayRef;
  current: ArrayRef;
  change: ArrayRef;
  baseline_sem: ArrayRef;
  current_sem: ArrayRef;
  change_sem: ArrayRef;
}

/** The metric's logits as they build up over the stages, and what each part adds. */
export interface LensLinesResult {
  summary: Summary;
  accumulated: Curve;
  parts: Curve;
  units: string;
  definition: string;
}

export interface LensCodeArgs {
  incl_mid: boolean;
}

export interface TextArgs {
  text: string;
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

/** ``from_layer``: the first destination layer wanted, where not all fit into a reply. */
export interface CompositionArgs {
  composition: "K" | "Q" | "V";
  subtract_random: boolean;
  from_layer?: number;
}

/**
 * ``scores`` [source head, destination head] of the sources of all layers but the last, and the
 * destinations of ``n_dst`` layers from ``dst_layer`` on; heads are numbered through the layers.
 * NaN where the destination is not later. ``random`` and ``random_spread``: mean and standard
 * deviation of random matrices, over ``random_seeds``.
 */
export interface CompositionResult {
  summary: Summary;
  scores: ArrayRef;
  dst_layer: number;
  n_dst: number;
  random: number;
  random_spread: number;
  random_seeds: number;
  units: string;
  definition: string;
  weights: string;
}

/** Which circuit. The writer is read for compositions only. */
export interface CircuitArgs {
  circuit: "OV" | "QK" | "positions" | "K" | "Q" | "V";
  layer: number;
  head: number;
  writer_layer: number | null;
  writer_head: number | null;
}

/**
 * A window of ``size`` x ``size`` cells of ``pool`` x ``pool`` entries each from ``row`` and
 * ``col``, or with ``circuit_tokens="prompt"`` the tokens of that prompt.
 */
export interface CircuitTileArgs {
  circuit: "OV" | "QK" | "positions" | "K" | "Q" | "V";
  layer: number;
  head: number;
  writer_layer: number | null;
  writer_head: number | null;
  circuit_tokens: "prompt" | "vocabulary";
  prompt: number;
  row?: number;
  col?: number;
  size?: number;
  pool?: number;
}

/**
 * ``values`` [row, column]; each the entry of largest magnitude of its pool. ``shape`` is that
 * of the whole circuit, ``token_rows`` false when its axes count positions.
 */
export interface CircuitTileResult {
  summary: Summary;
  name: string;
  definition: string;
  units: string;
  weights: string;
  shape: number[];
  rank: number;
  signed: boolean;
  token_axes: boolean;
  rows: TokenInfo[];
  columns: TokenInfo[];
  values: ArrayRef;
  row: number;
  col: number;
  pool: number;
  max_pool: number;
}

export interface CircuitRowArgs {
  circuit: "OV" | "QK" | "positions" | "K" | "Q" | "V";
  layer: number;
  head: number;
  writer_layer: number | null;
  writer_head: number | null;
  row: number;
  top_k: number;
}

/** ``token`` is a position's number where a circuit's axes count positions. */
export interface Ranked {
  token: TokenInfo;
  value: number;
}

/**
 * The largest and the smallest entries of one row; ``own`` is that of the row's own column and
 * ``rank`` its place from the top, 0 the largest.
 */
export interface CircuitRowResult {
  row: TokenInfo;
  highest: Ranked[];
  lowest: Ranked[];
  own: number;
  rank: number;
}

export interface CircuitFindArgs {
  circuit: "OV" | "QK" | "positions" | "K" | "Q" | "V";
  layer: number;
  head: number;
  writer_layer: number | null;
  writer_head: number | null;
  text: string;
}

/** Tokens whose text contains the one searched for, shortest first. */
export interface CircuitFindResult {
  tokens: TokenInfo[];
}

export interface CircuitSpectrumResult {
  values: ArrayRef;
}

export interface CircuitDirectionArgs {
  circuit: "OV" | "QK" | "positions" | "K" | "Q" | "V";
  layer: number;
  head: number;
  writer_layer: number | null;
  writer_head: number | null;
  direction: number;
  top_k: number;
}

/**
 * The tokens furthest along one singular direction, on the row and on the column side; their
 * signs belong together.
 */
export interface CircuitDirectionResult {
  direction: number;
  value: number;
  row_highest: Ranked[];
  row_lowest: Ranked[];
  column_highest: Ranked[];
  column_lowest: Ranked[];
}

/**
 * Of the ``done`` tokens looked at, how many have their own column as the largest of their row,
 * and among the five largest.
 */
export interface CircuitCopyResult {
  done: number;
  total: number;
  top1: number;
  top5: number;
}

/** ``neuron`` as in ``"L3N1024"``. */
export interface NeuronArgs {
  neuron: string;
  prompt: number;
  top_k: number;
}

/** A token of some prompt, and a neuron's activation there. */
export interface NeuronPlace {
  token: TokenInfo;
  prompt: number;
  pos: number;
  value: number;
}

/**
 * One neuron on one prompt before and after, [pos], and the places of all prompts where it is
 * highest and lowest now. ``largest``: the largest magnitude over all prompts and both runs.
 */
export interface NeuronResult {
  summary: Summary;
  neuron: string;
  layer: number;
  index: number;
  n_neurons: number;
  tokens: TokensResult;
  baseline: ArrayRef;
  current: ArrayRef;
  largest: number;
  highest: NeuronPlace[];
  lowest: NeuronPlace[];
  units: string;
  definition: string;
}

/** ``query_pos`` None: the prompt's last position. */
export interface TopNeuronsArgs {
  prompt: number;
  query_pos: number | null;
  top_k: number;
  which: "baseline" | "current" | "difference";
}

/**
 * The neurons of all layers with the largest magnitude at ``pos``, largest first, and their
 * activations along the prompt, ``values`` [neuron, pos].
 */
export interface TopNeuronsResult {
  summary: Summary;
  pos: number;
  neurons: string[];
  values: ArrayRef;
}

/** Without both positions: the mean over all pairs that are not masked. */
export interface ScoreSourcesArgs {
  layer: number;
  head: number;
  prompt: number;
  sources_by: "head" | "layer";
  query_pos: number | null;
  key_pos: number | null;
}

/**
 * ``parts`` [query source, key source], under the interventions and without them; each sums to
 * its ``score``, which is the model's own, before any cap. Null where the pair is masked.
 */
export interface ScoreSourcesResult {
  summary: Summary;
  tokens: TokensResult;
  sources: string[];
  parts: ArrayRef;
  baseline_parts: ArrayRef;
  score: number | null;
  baseline_score: number | null;
  query_pos: number | null;
  key_pos: number | null;
  units: string;
  definition: string;
}

/** Sources by name; an empty name is the sum over all of them. */
export interface ScoreMapArgs {
  layer: number;
  head: number;
  prompt: number;
  sources_by: "head" | "layer";
  query_source: string;
  key_source: string;
  which: "baseline" | "current" | "difference";
}

/**
 * ``values`` [query, key], NaN where masked; each the largest magnitude of ``pool`` x
 * ``pool``.
 */
export interface ScoreMapResult {
  summary: Summary;
  values: ArrayRef;
  pool: number;
  query_source: string;
  key_source: string;
}

export interface StripeArgs {
  prompt: number;
  stripe: "previous" | "current" | "first" | "induction" | "duplicate";
}

/**
 * The cells that a kind of score is the mean of, ``cells`` [place, 2] as query and key, at most
 * one a query. Arrays [layer, head]: mean attention on them, of the prompt and (``mean_*``) over
 * the ``n_with`` prompts that have such cells. ``missing``: why the prompt has none, or no prompt
 * has; else "".
 */
export interface StripeResult {
  summary: Summary;
  prompt: number;
  stripe: "previous" | "current" | "first" | "induction" | "duplicate";
  cells: ArrayRef;
  baseline: ArrayRef;
  current: ArrayRef;
  mean_baseline: ArrayRef;
  mean_current: ArrayRef;
  n_with: number;
  definition: string;
  missing: string;
}

export interface LossesArgs {
  scope: "mean" | "selected";
  prompt: number;
}

/**
 * Nats by position, of one prompt or means with standard errors. ``half``: n, where the text is
 * one token and then n tokens twice; ``*_halves`` [2] are the means over what predicts each.
 */
export interface LossesResult {
  summary: Summary;
  tokens: TokensResult;
  half: number | null;
  baseline: ArrayRef;
  baseline_sem: ArrayRef;
  baseline_halves: ArrayRef;
  baseline_halves_sem: ArrayRef;
  current: ArrayRef;
  current_sem: ArrayRef;
  current_halves: ArrayRef;
  current_halves_sem: ArrayRef;
  units: string;
}

/** One line of the card; ``group`` is shape, design, weights or tokenizer. */
export interface ModelFact {
  group: string;
  name: string;
  value: string;
  note: string;
}

/** What trying the model told; ``works`` is false where something cannot be had. */
export interface ModelFinding {
  works: boolean;
  text: string;
}

/**
 * One parameter, in each of ``layers`` ("0-11"; empty outside of blocks). ``shape`` is one
 * layer's, by ``axes`` where those have names; ``count`` is over all layers. ``shared`` names what
 * else is the same parameter, ``code`` reads the first.
 */
export interface MatrixInfo {
  name: string;
  group: string;
  shape: number[];
  axes: string[];
  layers: string;
  n_layers: number;
  count: number;
  megabytes: number;
  shared: string[];
  code: string;
}

/** ``count`` and ``megabytes`` are the sums over ``matrices``. */
export interface ModelCardResult {
  summary: Summary;
  facts: ModelFact[];
  findings: ModelFinding[];
  matrices: MatrixInfo[];
  count: number;
  megabytes: number;
}

export interface LossesArgs {
  scope: "mean" | "selected";
  prompt: number;
}

/**
 * Nats by position, of one prompt or means with standard errors. ``half``: n, where the text is
 * one token and then n tokens twice; ``*_halves`` [2] are the means over what predicts each.
 */
export interface LossesResult {
  summary: Summary;
  tokens: TokensResult;
  half: number | null;
  baseline: ArrayRef;
  baseline_sem: ArrayRef;
  baseline_halves: ArrayRef;
  baseline_halves_sem: ArrayRef;
  current: ArrayRef;
  current_sem: ArrayRef;
  current_halves: ArrayRef;
  current_halves_sem: ArrayRef;
  units: string;
}

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

/** Every activation of a run, in the order in which they fire; ``n_bytes`` of all together. */
export interface ActivationsResult {
  summary: Summary;
  groups: ActivationGroup[];
  n_activations: number;
  n_bytes: number;
  dtype: string;
}

/**
 * ``head`` and ``query_pos`` (None: the last) say where axes are cut that are not shown;
 * ``row_from`` and ``column_from`` begin a part that is shown number by number.
 */
export interface ActivationArgs {
  activation: string;
  prompt: number;
  which: "baseline" | "current" | "difference";
  slice_rows: "pos" | "head";
  head?: number;
  query_pos?: number | null;
  row_from?: number;
  column_from?: number;
}

/**
 * Of ``n`` numbers, those that are finite; None where there is none. ``std`` with n - 1,
 * ``zeros`` the fraction that is zero; ``n_masked`` are attention scores that are masked, not in
 * ``n``.
 */
export interface ActivationStats {
  n: number;
  mean: number | null;
  std: number | null;
  min: number | null;
  max: number | null;
  norm: number | null;
  zeros: number | null;
  n_nan: number;
  n_inf: number;
  n_masked: number;
}

export interface AxisCut {
  dim: string;
  index: number;
  size: number;
}

/**
 * One prompt's activation without padding: ``dims`` and ``shape``, statistics of all of it, and
 * a plane of ``n_rows`` x ``n_columns``. ``values`` is [row, column] from ``row`` and ``column``
 * on, each the largest magnitude of ``row_pool`` x ``column_pool`` numbers, NaN for what is NaN or
 * masked; ``column_dim`` empty for a single axis. ``cuts``: where the axes were cut that are not
 * shown.
 */
export interface ActivationResult {
  summary: Summary;
  tokens: TokensResult;
  activation: string;
  prompt: number;
  which: "baseline" | "current" | "difference";
  dims: string[];
  shape: number[];
  dtype: string;
  baseline: ActivationStats;
  current: ActivationStats;
  difference: ActivationStats;
  row_dim: string;
  column_dim: string;
  n_rows: number;
  n_columns: number;
  row: number;
  column: number;
  row_pool: number;
  column_pool: number;
  cuts: AxisCut[];
  values: ArrayRef;
  units: string;
}

export interface ActivationCodeArgs {
  activation: string;
  which: "baseline" | "current" | "difference";
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
  attention_mode: {
    initial: "pattern",
    is: (value): value is Options["attention_mode"] => value === "pattern" || value === "value" || value === "scores",
  },
  head_average: {
    initial: "none",
    is: (value): value is Options["head_average"] => value === "none" || value === "layer" || value === "all",
  },
  skip_bos: {
    initial: false,
    is: (value): value is Options["skip_bos"] => typeof value === "boolean",
  },
  read_at: {
    initial: "metric",
    is: (value): value is Options["read_at"] => value === "metric" || value === "selected",
  },
  lens_color: {
    initial: "prob",
    is: (value): value is Options["lens_color"] => value === "prob" || value === "rank" || value === "kl",
  },
  lens_target: {
    initial: "auto",
    is: (value): value is Options["lens_target"] => value === "auto" || value === "answer" || value === "next",
  },
  lens_order: {
    initial: "last_on_top",
    is: (value): value is Options["lens_order"] => value === "last_on_top" || value === "first_on_top",
  },
  incl_mid: {
    initial: true,
    is: (value): value is Options["incl_mid"] => typeof value === "boolean",
  },
  pins: {
    initial: [],
    is: (value): value is Options["pins"] => (Array.isArray(value) && value.every((item: unknown) => typeof item === "number" && Number.isInteger(item))),
  },
  composition: {
    initial: "K",
    is: (value): value is Options["composition"] => value === "K" || value === "Q" || value === "V",
  },
  subtract_random: {
    initial: true,
    is: (value): value is Options["subtract_random"] => typeof value === "boolean",
  },
  circuit: {
    initial: "OV",
    is: (value): value is Options["circuit"] => value === "OV" || value === "QK" || value === "positions" || value === "K" || value === "Q" || value === "V",
  },
  circuit_tokens: {
    initial: "prompt",
    is: (value): value is Options["circuit_tokens"] => value === "prompt" || value === "vocabulary",
  },
  top_k: {
    initial: 10,
    is: (value): value is Options["top_k"] => typeof value === "number" && Number.isInteger(value),
  },
  neuron: {
    initial: "L0N0",
    is: (value): value is Options["neuron"] => typeof value === "string",
  },
  sources_by: {
    initial: "head",
    is: (value): value is Options["sources_by"] => value === "head" || value === "layer",
  },
  query_source: {
    initial: "",
    is: (value): value is Options["query_source"] => typeof value === "string",
  },
  key_source: {
    initial: "",
    is: (value): value is Options["key_source"] => typeof value === "string",
  },
  patch_maps: {
    initial: "heads",
    is: (value): value is Options["patch_maps"] => value === "blocks" || value === "heads",
  },
  patch_into: {
    initial: "corrupted",
    is: (value): value is Options["patch_into"] => value === "corrupted" || value === "clean",
  },
  by_pos: {
    initial: false,
    is: (value): value is Options["by_pos"] => typeof value === "boolean",
  },
  normalize: {
    initial: true,
    is: (value): value is Options["normalize"] => typeof value === "boolean",
  },
  activation: {
    initial: "",
    is: (value): value is Options["activation"] => typeof value === "string",
  },
  slice_rows: {
    initial: "pos",
    is: (value): value is Options["slice_rows"] => value === "pos" || value === "head",
  },
  group_by: {
    initial: "layer",
    is: (value): value is Options["group_by"] => value === "layer" || value === "hook",
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
    attention_mode: read("attention_mode"),
    head_average: read("head_average"),
    skip_bos: read("skip_bos"),
    read_at: read("read_at"),
    lens_color: read("lens_color"),
    lens_target: read("lens_target"),
    lens_order: read("lens_order"),
    incl_mid: read("incl_mid"),
    pins: read("pins"),
    composition: read("composition"),
    subtract_random: read("subtract_random"),
    circuit: read("circuit"),
    circuit_tokens: read("circuit_tokens"),
    top_k: read("top_k"),
    neuron: read("neuron"),
    sources_by: read("sources_by"),
    query_source: read("query_source"),
    key_source: read("key_source"),
    patch_maps: read("patch_maps"),
    patch_into: read("patch_into"),
    by_pos: read("by_pos"),
    normalize: read("normalize"),
    activation: read("activation"),
    slice_rows: read("slice_rows"),
    group_by: read("group_by"),
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
  head_sources: { args: HeadSourcesArgs; result: HeadSourcesResult };
  mlp_neurons: { args: MlpNeuronsArgs; result: MlpNeuronsResult };
  compare_bos: { args: PromptArgs; result: BosResult };
  ablation_grid: { args: AblationGridArgs; result: AblationGridResult };
  patching: { args: PatchingArgs; result: PatchingResult };
  patching_code: { args: PatchingArgs; result: CodeResult };
  toggle_patches: { args: TogglePatchesArgs; result: ChangeResult };
  effects: { args: PromptArgs; result: EffectsResult };
  lens: { args: LensArgs; result: LensResult };
  lens_cell: { args: LensCellArgs; result: LensCellResult };
  lens_path: { args: LensPathArgs; result: LensPathResult };
  lens_lines: { args: LensLinesArgs; result: LensLinesResult };
  lens_token: { args: TextArgs; result: TokenInfo };
  lens_code: { args: LensCodeArgs; result: CodeResult };
  composition: { args: CompositionArgs; result: CompositionResult };
  circuit_tile: { args: CircuitTileArgs; result: CircuitTileResult };
  circuit_row: { args: CircuitRowArgs; result: CircuitRowResult };
  circuit_find: { args: CircuitFindArgs; result: CircuitFindResult };
  circuit_spectrum: { args: CircuitArgs; result: CircuitSpectrumResult };
  circuit_direction: { args: CircuitDirectionArgs; result: CircuitDirectionResult };
  circuit_copy: { args: CircuitArgs; result: CircuitCopyResult };
  neuron: { args: NeuronArgs; result: NeuronResult };
  top_neurons: { args: TopNeuronsArgs; result: TopNeuronsResult };
  stripe: { args: StripeArgs; result: StripeResult };
  losses: { args: LossesArgs; result: LossesResult };
  losses_code: { args: LossesArgs; result: CodeResult };
  model_card: { args: Empty; result: ModelCardResult };
  activations: { args: Empty; result: ActivationsResult };
  activation: { args: ActivationArgs; result: ActivationResult };
  activation_code: { args: ActivationCodeArgs; result: CodeResult };
  toggle: { args: ToggleArgs; result: ChangeResult };
  set_enabled: { args: EnableArgs; result: ChangeResult };
  remove: { args: KeyArgs; result: ChangeResult };
  undo: { args: Empty; result: ChangeResult };
  redo: { args: Empty; result: ChangeResult };
  clear: { args: Empty; result: ChangeResult };
  code: { args: Empty; result: CodeResult };
}
