import type { Options, Selection, SessionInfo, SessionState } from "../generated/protocol";
import { isRecord } from "./model";

/** Readers of the synced traits. Python validates them; what is checked here is what a view relies on. */

export const NO_INFO: SessionInfo = {
  model_name: "",
  n_layers: 0,
  n_heads: 0,
  n_ctx: 0,
  mlp_layers: [],
  device: "",
  dtype: "",
  weights: "",
  notes: [],
};

export const NO_STATE: SessionState = {
  revision: 0,
  prompts_revision: 0,
  interventions: [],
  can_undo: false,
  can_redo: false,
  closed: false,
};

export const NO_SELECTION: Selection = {
  layer: 0,
  head: 0,
  query_pos: null,
  key_pos: null,
  prompt: 0,
};

export function parseInfo(raw: unknown): SessionInfo | null {
  const hasAll = (value: unknown): value is SessionInfo =>
    isRecord(value) && typeof value.n_layers === "number" && typeof value.n_heads === "number";
  return hasAll(raw) ? { ...NO_INFO, ...raw } : null;
}

export function parseState(raw: unknown): SessionState | null {
  const hasAll = (value: unknown): value is SessionState =>
    isRecord(value) && typeof value.revision === "number" && Array.isArray(value.interventions);
  return hasAll(raw) ? { ...NO_STATE, ...raw } : null;
}

export function parseSelection(raw: unknown): Selection | null {
  if (!isRecord(raw)) return null;
  const { layer, head, query_pos, key_pos, prompt } = raw;
  const pos = (value: unknown) => (typeof value === "number" ? value : null);
  const index = (value: unknown) => (typeof value === "number" ? value : 0);
  return {
    layer: index(layer),
    head: index(head),
    query_pos: pos(query_pos),
    key_pos: pos(key_pos),
    prompt: index(prompt),
  };
}

/** Every option's values; the first is what a widget without that trait starts from. */
export const OPTION_VALUES: { readonly [K in keyof Options]: readonly Options[K][] } = {
  show: ["current", "baseline", "difference"],
  token_mode: ["from", "to"],
  color: ["loss", "hit"],
  by: ["head", "layer", "component"],
  scope: ["mean", "selected"],
  kind: ["zero", "mean", "resample"],
  values: ["attribution", "effect"],
};
