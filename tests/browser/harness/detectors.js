// Answers about heads' scores and losses by position, with synthetic data.

import { effect, noise } from "./data.js";
import { summary, tokens } from "./methods.js";

const KINDS = ["previous", "current", "first", "induction", "duplicate"];

function headScores(kernel, { scope }, array) {
  const { n_layers, n_heads } = kernel.info;
  const shape = [KINDS.length, n_layers, n_heads];
  const baseline = KINDS.flatMap((kind) =>
    Array.from({ length: n_layers * n_heads }, (_, i) => noise("score", kind, i) ** 6),
  );
  const off = new Set(kernel.ablated);
  const current = baseline.map((value) => (off.size > 0 ? 0.8 * value : value));
  const sem = baseline.map((value) => (scope === "mean" ? 0.03 * value : Number.NaN));
  return {
    summary: summary(kernel),
    kinds: KINDS,
    definitions: KINDS.map((kind) => `mean attention on the ${kind} stripe`),
    baseline: array(baseline, shape),
    current: array(current, shape),
    sem: array(sem, shape),
    units: "attention weight",
  };
}

function lossEffects(kernel, _args, array) {
  const { n_layers, n_heads } = kernel.info;
  const heads = Array.from({ length: n_layers * n_heads }, (_, i) =>
    effect(`L${Math.floor(i / n_heads)}H${i % n_heads}`, 0.5),
  );
  return {
    summary: summary(kernel),
    heads: array(heads, [n_layers, n_heads]),
    units: "nats",
    definition: "Mean loss with that head ablated as well (zero), minus without.",
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
  const sem = base.map((value) => (scope === "mean" ? 0.05 * value : Number.NaN));
  const halvesSem = scope === "mean" ? [0.04, 0.02] : [Number.NaN, Number.NaN];
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

export const DETECTOR_HANDLERS = { head_scores: headScores, loss_effects: lossEffects, losses };
