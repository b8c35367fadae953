// Written by `python -m lens_widgets.views.generate`.

import type { Command, Question } from "../wire/question";

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

/** ``text`` is safe to show: spaces as a middle dot, bytes of split characters as ``\xC3``. */
export interface TokenInfo {
  id: number;
  text: string;
}

/** The metric without and with the interventions, mean over ``n_prompts`` prompts. */
export interface Metric {
  numbers: never;
  texts: never;
  attrs: {
    metric: string;
    units: string;
    n_prompts: number;
    baseline: number | null;
    current: number | null;
  };
}

/**
 * The tokens of one prompt, and what its editor starts from, verbatim.
 *
 * ``bos``: the prompt begins with the tokenizer's BOS. ``added``: the tokens in front that are not
 * in its text. ``template``: the positions of those that the chat template wrote, null for a
 * prompt that is no conversation. ``correct`` and ``wrong`` are empty without such answers;
 * several are joined by "or". ``spans``: the positions that have a name, by that name.
 */
export interface Tokens {
  numbers: "token_id" | "pos";
  texts: "token";
  attrs: {
    prompt: number;
    n_prompts: number;
    text: string;
    correct: string;
    wrong: string;
    corrupted: string | null;
    bos: boolean;
    added: TokenInfo[];
    template: number[] | null;
    spans: Record<string, number[]>;
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

/** The metric before and after. */
export const metric: Question<Record<string, never>, Metric> = { method: "session/metric", shared: true };

/** The tokens of one prompt. */
export const tokens: Question<{ prompt: number }, Tokens> = { method: "session/tokens", shared: true };

/** The interventions as a script that runs by itself and prints the metric. */
export const code: Question<Record<string, never>, Code> = { method: "session/code" };

/** Ablates a component, or ends its ablation. */
export const setAblated: Command<{ component: string; kind: "zero" | "mean" | "resample"; on: boolean }> = { method: "session/set_ablated" };

/** Keeps the cells of maps as patches, or takes them away; one step to undo. */
export const setPatched: Command<{ cells: PatchCell[]; on: boolean }> = { method: "session/set_patched" };

/** Cuts edges, or ends their cuts, of whatever kind they are; one step to undo. */
export const setCut: Command<{ edges: EdgeEnds[]; kind: "zero" | "mean" | "resample"; on: boolean }> = { method: "session/set_cut" };

/** Switches one line of the list on or off. */
export const setEnabled: Command<{ key: string; enabled: boolean }> = { method: "session/set_enabled" };

/** Takes one line out of the list. */
export const remove: Command<{ key: string }> = { method: "session/remove" };

/** Computes everything anew with the model as it is now. */
export const refresh: Command<Record<string, never>> = { method: "session/refresh" };

/** Takes back the last change. */
export const undo: Command<Record<string, never>> = { method: "session/undo" };

/** Makes the last undone change again. */
export const redo: Command<Record<string, never>> = { method: "session/redo" };

/** Takes all interventions out. */
export const clear: Command<Record<string, never>> = { method: "session/clear" };

/**
 * Replaces one prompt, its answers and its corrupted prompt; all or nothing.
 *
 * Answers whose text is as ``tokens`` told it stay what they are, several of them too.
 * ``as_written``: they are meant so, with a space in front or without, and not asked about.
 */
export const editPrompt: Command<{ prompt: number; text: string; correct: string; wrong: string; corrupted?: string | null; as_written?: boolean }> = { method: "session/edit_prompt" };
