import type { Selection, SessionInfo, SessionState, Settings } from "../../generated/messages";
import { isRecord } from "./model";
import { stripeKind } from "./stripes";

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
  n_prompts: 1,
  interventions: [],
  undoes: null,
  redoes: null,
  closed: false,
  outdated: null,
};

export const NO_SELECTION: Selection = {
  layer: 0,
  head: 0,
  query_pos: null,
  key_pos: null,
  prompt: 0,
  writer_layer: null,
  writer_head: null,
  stripe: null,
};

export const NO_SETTINGS: Settings = {
  ablation_kind: "zero",
  prompt_scope: "mean",
  skip_bos: false,
};

export function parseInfo(raw: unknown): SessionInfo | undefined {
  const hasAll = (value: unknown): value is SessionInfo =>
    isRecord(value) && typeof value.n_layers === "number" && typeof value.n_heads === "number";
  return hasAll(raw) ? { ...NO_INFO, ...raw } : undefined;
}

export function parseState(raw: unknown): SessionState | undefined {
  const hasAll = (value: unknown): value is SessionState =>
    isRecord(value) && typeof value.revision === "number" && Array.isArray(value.interventions);
  return hasAll(raw) ? { ...NO_STATE, ...raw } : undefined;
}

export function parseSelection(raw: unknown): Selection | undefined {
  if (!isRecord(raw)) return undefined;
  const { layer, head, query_pos, key_pos, prompt, writer_layer, writer_head, stripe } = raw;
  const pos = (value: unknown) => (typeof value === "number" ? value : null);
  const index = (value: unknown) => (typeof value === "number" ? value : 0);
  return {
    layer: index(layer),
    head: index(head),
    query_pos: pos(query_pos),
    key_pos: pos(key_pos),
    prompt: index(prompt),
    writer_layer: pos(writer_layer),
    writer_head: pos(writer_head),
    stripe: stripeKind(stripe),
  };
}

export function parseSettings(raw: unknown): Settings | undefined {
  const hasAll = (value: unknown): value is Settings =>
    isRecord(value) &&
    typeof value.ablation_kind === "string" &&
    typeof value.skip_bos === "boolean";
  return hasAll(raw) ? { ...NO_SETTINGS, ...raw } : undefined;
}
