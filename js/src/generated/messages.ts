// Written by `python -m lens_widgets.views.generate`.

export const MAX_REQUEST_BYTES = 64000;
export const MAX_REPLY_BYTES = 1000000;

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

/** One cell of a map; ``head`` None for blocks, ``pos`` None for all positions. */
export interface PatchCell {
  node: string;
  layer: number;
  head: number | null;
  pos: number | null;
}

/** An edge of the residual stream: ``"L0H1"`` writes, ``"L1H4.k"`` reads. */
export interface EdgeEnds {
  writer: string;
  reader: string;
}

/**
 * One line of the list of interventions. ``key`` names it in requests; ``cell`` is the cell of
 * a patching map that it keeps, if it is one; ``edge`` what it cuts, if it is a cut.
 */
export interface InterventionInfo {
  key: string;
  label: string;
  component: string;
  kind: string;
  detail: string;
  enabled: boolean;
  cell: PatchCell | null;
  edge?: EdgeEnds;
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

/**
 * ``revision`` grows with every change that can move a number, ``prompts_revision`` with the
 * prompts or the metric only. ``undoes`` and ``redoes``: what a step back or forth would change,
 * as in "ablate L1H4"; None without one. ``outdated``: what was done to the model since the
 * numbers were computed, None while they stand.
 */
export interface SessionState {
  revision: number;
  prompts_revision: number;
  n_prompts: number;
  interventions: InterventionInfo[];
  undoes: string | null;
  redoes: string | null;
  closed: boolean;
  outdated: ErrorInfo | null;
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
 * What all views of a session agree on; ``skip_bos`` leaves the first token out of the colours
 * of attention patterns.
 */
export interface Settings {
  ablation_kind: "zero" | "mean" | "resample";
  prompt_scope: "mean" | "selected";
  skip_bos: boolean;
}

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

/** ``waiting``: a cell is running. ``partial`` is the answer as far as it is known. */
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
