// Answers about heads' scores and losses by position, with synthetic data.

import { effect, noise, pattern } from "./data.js";
import { damage, summary, tokens } from "./methods.js";

const KINDS = ["previous", "current", "first", "induction", "duplicate"];

// The cells of a stripe, [query, key].
function cellsOf(kind, tokens) {
  if (kind === "previous") return tokens.slice(1).map((_, i) => [i + 1, i]);
  if (kind === "current") return tokens.map((_, i) => [i, i]);
  if (kind === "first") return tokens.map((_, i) => [i, 0]);
  const latest = new Map();
  return tokens.flatMap(({ id }, q) => {
    const seen = latest.get(id);
    latest.set(id, q);
    return seen === undefined ? [] : [[q, seen + (kind === "induction" ? 1 : 0)]];
  });
}

// Mean weight on each kind's stripe, [kind][layer, head], NaN where the prompt has none.
function scoresOf(kernel, prompt, which) {
  const { n_layers, n_heads } = kernel.info;
  const { tokens } = kernel.prompts[prompt];
  const n = tokens.length;
  const cells = KINDS.map((kind) => cellsOf(kind, tokens));
  const found = KINDS.map(() => new Float32Array(n_layers * n_heads));
  for (let at = 0; at < n_layers * n_heads; at++) {
    const [layer, head] = [Math.floor(at / n_heads), at % n_heads];
    const weights = pattern(layer, head, tokens, damage(kernel, layer, head, which));
    for (const [i, places] of cells.entries()) {
      found[i][at] = places.reduce((sum, [q, k]) => sum + weights[q * n + k], 0) / places.length;
    }
  }
  return found;
}

function meanScores(kernel, which) {
  const each = kernel.prompts.map((_, prompt) => scoresOf(kernel, prompt, which));
  return KINDS.map((_, i) =>
    each[0][i].map((_, at) => {
      const known = each.map((scores) => scores[i][at]).filter((value) => !Number.isNaN(value));
      return known.reduce((sum, value) => sum + value, 0) / known.length;
    }),
  );
}

function having(kernel, kind) {
  return kernel.prompts.filter(({ tokens }) => cellsOf(kind, tokens).length > 0).length;
}

function missing(kernel, kind, prompt) {
  const article = kind === "induction" ? "an" : "a";
  const needs = kind === "previous" ? "two tokens" : "a token that occurs twice";
  if (having(kernel, kind) === 0) return `No prompt has ${article} ${kind} stripe: it needs ${needs}.`;
  if (prompt === null || cellsOf(kind, kernel.prompts[prompt].tokens).length > 0) return "";
  return `This prompt does not have ${article} ${kind} stripe: it needs ${needs}.`;
}

function headScores(kernel, { scope, prompt }, array) {
  const { n_layers, n_heads } = kernel.info;
  const shape = [KINDS.length, n_layers, n_heads];
  const one = scope === "mean" ? null : prompt;
  const of = (which) => (one === null ? meanScores(kernel, which) : scoresOf(kernel, one, which));
  const [baseline, current] = ["baseline", "current"].map((which) => of(which).flatMap((values) => [...values]));
  return {
    summary: summary(kernel),
    kinds: KINDS,
    definitions: KINDS.map((kind) => `mean attention on the ${kind} stripe`),
    missing: KINDS.map((kind) => missing(kernel, kind, one)),
    baseline: array(baseline, shape),
    current: array(current, shape),
    sem: array(current.map((value) => (one === null && kernel.prompts.length > 1 ? 0.03 * value : Number.NaN)), shape),
    units: "attention weight",
  };
}

function stripe(kernel, { prompt, stripe: kind }, array) {
  const { n_layers, n_heads } = kernel.info;
  const at = KINDS.indexOf(kind);
  const cells = cellsOf(kind, kernel.prompts[prompt].tokens);
  const packed = (values) => array(values[at], [n_layers, n_heads]);
  return {
    summary: summary(kernel),
    prompt,
    stripe: kind,
    cells: array(cells.flat(), [cells.length, 2]),
    baseline: packed(scoresOf(kernel, prompt, "baseline")),
    current: packed(scoresOf(kernel, prompt, "current")),
    mean_baseline: packed(meanScores(kernel, "baseline")),
    mean_current: packed(meanScores(kernel, "current")),
    n_with: having(kernel, kind),
    definition: `mean attention on the ${kind} stripe`,
    missing: missing(kernel, kind, prompt),
  };
}

const code = () => ({ code: "import torch\n" });

function lossEffects(kernel, { kind }, array) {
  const { n_layers, n_heads } = kernel.info;
  const heads = Array.from({ length: n_layers * n_heads }, (_, i) =>
    effect(`L${Math.floor(i / n_heads)}H${i % n_heads}`, kind === "zero" ? 0.5 : 0.3),
  );
  return {
    summary: summary(kernel),
    heads: array(heads, [n_layers, n_heads]),
    units: "nats",
    definition: `Mean loss with that head ablated as well (${kind}), minus without.`,
  };
}

function losses(kernel, { scope, prompt }, array) {
  const known = tokens(kernel, { prompt });
  const n = known.tokens.length;
  const half = n % 2 === 1 && n > 4 ? (n - 1) / 2 : null;
  const base = known.tokens.map((_, i) =>
    i === n - 1 ? Number.NaN : half !== null && i >= half ? 0.3 + noise("late", i) : 5 + noise("early", i),
  );
  const moved = kernel.ablated.length > 0 ? 1.5 : 0;
  const now = base.map((value, i) => value + (half !== null && i >= half ? moved : 0));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const halves = (values) =>
    half === null ? [Number.NaN, Number.NaN] : [mean(values.slice(0, half)), mean(values.slice(half, 2 * half))];
  const several = scope === "mean" && kernel.prompts.length > 1;
  const sem = base.map((value) => (several ? 0.05 * value : Number.NaN));
  const halvesSem = several ? [0.04, 0.02] : [Number.NaN, Number.NaN];
  return {
    summary: summary(kernel),
    tokens: known,
    half,
    baseline: array(base, [n]),
    baseline_sem: array(sem, [n]),
    baseline_halves: array(halves(base), [2]),
    baseline_halves_sem: array(halvesSem, [2]),
    current: array(now, [n]),
    current_sem: array(sem, [n]),
    current_halves: array(halves(now), [2]),
    current_halves_sem: array(halvesSem, [2]),
    units: "nats",
  };
}

export const DETECTOR_HANDLERS = {
  head_scores: headScores,
  head_scores_code: code,
  stripe,
  loss_effects: lossEffects,
  losses,
  losses_code: code,
};
