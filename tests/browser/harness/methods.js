// What the mock kernel knows to answer, method by method, in the protocol's types.

import { effect, noise, pattern, tokensOf } from "./data.js";
import { lensMethods } from "./lens.js";
import { modelCard } from "./card.js";
import { ACTIVATION_HANDLERS } from "./activations.js";
import { DETECTOR_HANDLERS } from "./detectors.js";
import { WEIGHT_HANDLERS } from "./weights.js";
import { patchingMethods } from "./patching.js";

const MAX_BYTES = 1_000_000;

export function answer(kernel, method, args, array) {
  const handler = HANDLERS[method] ?? WEIGHT_HANDLERS[method] ?? DETECTOR_HANDLERS[method] ?? ACTIVATION_HANDLERS[method];
  if (!handler) throw new Error(`unknown method ${method}`);
  return handler(kernel, args, array);
}

export function damage(kernel, layer, head, which) {
  if (which === "baseline") return 0;
  let sum = 0;
  for (const component of kernel.ablated) {
    const from = Number(/^L(\d+)/.exec(component)?.[1] ?? 0);
    if (from < layer) sum += 0.6 * noise("damage", component, layer, head) ** 2;
  }
  return Math.min(0.9, sum);
}

function currentEffect(kernel, component, layer, scale) {
  if (kernel.ablated.includes(component)) return 0;
  return effect(component, scale) * (1 - 1.3 * damage(kernel, layer, component, "current"));
}

function components(kernel, by) {
  const { n_layers, n_heads } = kernel.info;
  const rows = [];
  const scale = 1.6 / Math.sqrt(n_layers);
  const add = (component, layer, head, ablatable) =>
    rows.push({
      component,
      layer,
      head,
      ablatable,
      ...effectNumbers(
        kernel,
        component,
        effect(component, scale),
        currentEffect(kernel, component, layer ?? -1, scale),
      ),
    });
  for (let l = 0; l < n_layers; l++) {
    for (let h = 0; h < n_heads; h++) add(`L${l}H${h}`, l, h, true);
    add(`L${l}.mlp`, l, null, true);
  }
  add("embed", null, null, false);
  add("bias", null, null, false);
  if (by === "head" || by === "component") return rows;
  return Array.from({ length: n_layers }, (_, layer) => {
    const parts = rows.filter((row) => row.layer === layer);
    const sum = (field) => parts.reduce((total, row) => total + row[field], 0);
    return {
      component: `L${layer}.attn`,
      layer,
      head: null,
      ablatable: true,
      baseline: sum("baseline"),
      current: sum("current"),
      baseline_sem: 0.1,
      current_sem: 0.1,
      change_sem: 0.05,
    };
  });
}

// A mean with standard errors that are a fixed share of it.
function effectNumbers(kernel, name, baseline, current) {
  const share = 0.05 + 0.2 * noise("sem", name);
  return {
    baseline,
    current,
    baseline_sem: share * Math.abs(baseline),
    current_sem: share * Math.abs(current),
    change_sem: share * Math.abs(current - baseline),
  };
}

function total(kernel, field) {
  return components(kernel, "component").reduce((sum, row) => sum + row[field], 0);
}

export function summary(kernel) {
  return {
    metric: kernel.options.metric ?? "logit difference",
    units: "logits",
    n_prompts: kernel.prompts.length,
    baseline: total(kernel, "baseline"),
    current: total(kernel, "current"),
    revision: kernel.state.revision,
  };
}

export function tokens(kernel, { prompt }) {
  const { tokens, correct, wrong } = kernel.prompts[prompt];
  return {
    summary: summary(kernel),
    prompt,
    n_prompts: kernel.prompts.length,
    text: tokens.slice(1).map(({ text }) => text.replace("·", " ")).join(""),
    correct,
    wrong,
    corrupted: null,
    tokens,
    answer: { correct: tokensOf([correct.replace(" ", "·")])[0], wrong: tokensOf([wrong.replace(" ", "·")])[0] },
    bos: kernel.options.bos ?? true,
  };
}

function tokenStats(kernel, { prompt }, array) {
  const known = tokens(kernel, { prompt });
  const n = known.tokens.length;
  const moved = kernel.ablated.length > 0 ? 0.7 : 0;
  const base = known.tokens.map((token, i) => (i === n - 1 ? Number.NaN : 6 * noise("loss", token.text, i % 29) ** 2));
  const loss = base.map((value, i) => value + moved * noise("moved", i));
  const prob = loss.map((value) => Math.exp(-value));
  const rank = loss.map((value) => (value < 1.2 ? 0 : Math.round(value * value)));
  const k = 5;
  const vocabulary = ["·Mary", "·John", "·the", "·Tom", "·her", "·a", "·him", ","];
  const top = known.tokens.map((_, i) =>
    tokensOf(Array.from({ length: k }, (_, j) => vocabulary[(i + j) % vocabulary.length])),
  );
  const probs = known.tokens.flatMap((_, i) =>
    Array.from({ length: k }, (_, j) => (0.5 + 0.4 * noise("top", i)) * 0.35 ** j),
  );
  return {
    summary: summary(kernel),
    prompt,
    tokens: known,
    loss: array(loss, [n]),
    baseline_loss: array(base, [n]),
    prob: array(prob, [n]),
    rank: array(rank, [n]),
    baseline_rank: array(base.map((value) => (value < 1.2 ? 0 : Math.round(value * value))), [n]),
    accuracy: { hits: 33 - kernel.ablated.length, baseline_hits: 33, tokens: 111 },
    top_probs: array(probs, [n, k]),
    top_tokens: top,
  };
}

// As the kernel's modes: weights, weights times a norm, or their logarithms with the future masked.
function ofMode(mode, one, n, layer, head) {
  if (mode === "value") return one.map((value, i) => value * (i % n === 0 ? 0.1 : 1 + noise("norm", layer, head, i % n)));
  if (mode !== "scores") return one;
  return one.map((value, i) => (i % n > Math.floor(i / n) ? Number.NaN : Math.log(value + 1e-4) + 4));
}

function oneHead(kernel, { prompt, which, layer, head, attention_mode: mode }) {
  const { tokens } = kernel.prompts[prompt];
  const n = tokens.length;
  const now = ofMode(mode, pattern(layer, head, tokens, damage(kernel, layer, head, which)), n, layer, head);
  if (which !== "difference") return now;
  const before = ofMode(mode, pattern(layer, head, tokens, 0), n, layer, head);
  return now.map((value, i) => value - before[i]);
}

function values(kernel, args) {
  const { n_layers, n_heads } = kernel.info;
  const average = args.head_average ?? "none";
  if (average === "none") return oneHead(kernel, args);
  const layers = average === "layer" ? [args.layer] : Array.from({ length: n_layers }, (_, layer) => layer);
  const all = layers.flatMap((layer) =>
    Array.from({ length: n_heads }, (_, head) => oneHead(kernel, { ...args, layer, head })),
  );
  return all[0].map((_, i) => all.reduce((sum, one) => sum + one[i], 0) / all.length);
}

const DEFINITIONS = {
  pattern: "Attention weight after the softmax.",
  value: "Attention weight times the norm of the key token's value vector.",
  scores: "Attention score before the softmax, masked entries absent.",
};

function patterns(kernel, { prompt, which, attention_mode: mode = "pattern" }, array) {
  const { n_layers, n_heads } = kernel.info;
  const n = kernel.prompts[prompt].tokens.length;
  const wide = which === "difference" || mode !== "pattern";
  const bytes = wide ? 4 : 1;
  let pool = 1;
  while (n_layers * n_heads * Math.ceil(n / pool) ** 2 * bytes > MAX_BYTES) pool++;
  const m = Math.ceil(n / pool);
  const all = new Float32Array(n_layers * n_heads * m * m).fill(mode === "scores" ? Number.NaN : 0);
  for (let layer = 0; layer < n_layers; layer++) {
    for (let head = 0; head < n_heads; head++) {
      const one = oneHead(kernel, { prompt, which, layer, head, attention_mode: mode });
      const start = (layer * n_heads + head) * m * m;
      for (let q = 0; q < n; q++) {
        for (let k = 0; k < n; k++) {
          const to = start + Math.floor(q / pool) * m + Math.floor(k / pool);
          const value = one[q * n + k];
          if (Number.isNaN(all[to]) || Math.abs(value) > Math.abs(all[to])) all[to] = value;
        }
      }
    }
  }
  return {
    summary: summary(kernel),
    tokens: tokens(kernel, { prompt }),
    patterns: array(all, [n_layers, n_heads, m, m], wide ? "float32" : "uint8"),
    pool,
    which,
    attention_mode: mode,
    units: "attention weight",
    definition: DEFINITIONS[mode],
  };
}

function onePattern(kernel, args, array) {
  const { prompt, layer, head, which, attention_mode = "pattern", head_average = "none" } = args;
  const n = kernel.prompts[prompt].tokens.length;
  const exact = n * n * 4 <= MAX_BYTES;
  const how = exact || which === "difference" || attention_mode !== "pattern" ? "float32" : "uint8";
  return {
    summary: summary(kernel),
    prompt,
    layer,
    head,
    which,
    attention_mode,
    head_average,
    exact,
    pool: 1,
    pattern: array(values(kernel, args), [n, n], how),
  };
}

function patternLines(kernel, args, array) {
  const n = kernel.prompts[args.prompt].tokens.length;
  const all = values(kernel, args);
  const { query_pos: q, key_pos: k } = args;
  return {
    row: array(all.slice(q * n, (q + 1) * n), [n]),
    column: array(Array.from({ length: n }, (_, i) => all[i * n + k]), [n]),
  };
}

function attribution(kernel, { by, scope, pos = null }) {
  const rows = components(kernel, by).map((row) => at(scope, pos, row));
  const sum = (field) => rows.reduce((total, row) => total + row[field], 0);
  return {
    summary: summary(kernel),
    rows,
    total: {
      component: "total",
      layer: null,
      head: null,
      ablatable: false,
      ...at(scope, null, effectNumbers(kernel, "total", sum("baseline"), sum("current"))),
    },
    units: "logits",
    definition: `Direct effect on the logit difference, ${pos === null ? "at the last position" : `at position ${pos}`}.`,
    n_read: kernel.prompts.length,
  };
}

// Numbers as read at a position; those of one prompt have no standard error.
function at(scope, pos, row) {
  const factor = pos === null ? 1 : noise("read", pos);
  const one = scope === "mean" ? {} : { baseline_sem: null, current_sem: null, change_sem: null };
  return { ...row, baseline: row.baseline * factor, current: row.current * factor, ...one };
}

function headSources(kernel, { prompt, layer, head, pos = null }, array) {
  const { tokens } = kernel.prompts[prompt];
  const n = tokens.length;
  const scale = 1.6 / Math.sqrt(kernel.info.n_layers);
  const name = `L${layer}H${head}`;
  const { baseline, current } = at("selected", pos, {
    baseline: effect(name, scale),
    current: currentEffect(kernel, name, layer, scale),
  });
  const query = pos ?? n - 1;
  const row = pattern(layer, head, tokens, 0).slice(query * n, (query + 1) * n);
  const total = row.reduce((sum, value) => sum + value, 0);
  return {
    summary: summary(kernel),
    tokens,
    baseline: array(row.map((value) => (baseline * value) / total), [n]),
    current: array(row.map((value) => (current * value) / total), [n]),
    baseline_total: baseline,
    current_total: current,
    rest: 0,
    units: "logits",
    definition: `Direct effect of ${name}, by the token whose value carried it.`,
  };
}

function mlpNeurons(kernel, { layer, scope, k, pos = null }) {
  const scale = 1.6 / Math.sqrt(kernel.info.n_layers);
  const name = `L${layer}.mlp`;
  const numbers = (label, share) =>
    at(scope, pos, effectNumbers(kernel, label, share * effect(name, scale), share * currentEffect(kernel, name, layer, scale)));
  const rows = Array.from({ length: k }, (_, i) => ({
    neuron: Math.floor(3072 * noise("neuron", layer, i)),
    activation: 3 * noise("activation", layer, i),
    ...numbers(`neuron ${i}`, (i % 3 === 2 ? -0.3 : 0.5) * 0.8 ** i),
  }));
  return {
    summary: summary(kernel),
    layer,
    rows,
    others: numbers("others", 0.2),
    bias: numbers("bias", 0.05),
    total: numbers(name, 1),
    n_neurons: 3072,
    units: "logits",
    definition: "Direct effect on the logit difference: activation times what the neuron writes.",
  };
}

function compareBos(kernel, { prompt }, array) {
  const known = tokens(kernel, { prompt });
  const n = known.tokens.length;
  const loss = (bos) =>
    known.tokens.map((token, i) =>
      i === n - 1 || (bos === "without" && i === 0) ? Number.NaN : 6 * noise("loss", token.text, i % 29) ** 2 + (bos === "without" ? 0.8 / i : 0),
    );
  const [first, second] = [loss("with"), loss("without")];
  const rank = (value) => (Number.isNaN(value) ? -1 : value < 1.2 ? 0 : Math.round(value * value));
  return {
    summary: summary(kernel),
    prompt,
    tokens: known.tokens,
    own: known.bos ? "with" : "without",
    loss: array([...first, ...second], [2, n]),
    rank: array([...first, ...second].map(rank), [2, n]),
  };
}

function ablationGrid(kernel, { values: what, kind }, array) {
  const { n_layers, n_heads } = kernel.info;
  const scale = 1.6 / Math.sqrt(n_layers);
  const of = (component, layer) => {
    const now = currentEffect(kernel, component, layer, scale);
    return what === "effect" ? -now * (0.8 + 0.4 * noise(kind, component)) : now;
  };
  const heads = Array.from({ length: n_layers * n_heads }, (_, i) => {
    const layer = Math.floor(i / n_heads);
    return of(`L${layer}H${i % n_heads}`, layer);
  });
  return {
    summary: summary(kernel),
    heads: array(heads, [n_layers, n_heads]),
    mlps: array(Array.from({ length: n_layers }, (_, layer) => of(`L${layer}.mlp`, layer)), [n_layers]),
    units: "logits",
    definition:
      what === "effect"
        ? "Change of the logit difference when the component is ablated."
        : "Direct effect of each component on the logit difference.",
  };
}

function effects(kernel, { prompt }) {
  const known = summary(kernel);
  const texts = ["·Mary", "·John", "·the", "·Tom", "·her"];
  const baseline = [0.94, 0.02, 0.01, 0.003, 0.001];
  const moved = Math.min(0.9, 0.2 * kernel.ablated.length);
  return {
    summary: known,
    worths: kernel.interventions.map(({ key, component, enabled }) => ({
      key,
      worth: enabled ? -effect(component, 1) : null,
    })),
    predictions: tokensOf(texts).map((token, i) => ({
      token,
      baseline: baseline[i],
      current: baseline[i] * (1 - moved) + (moved / 6) * (5 - i) * 0.4,
    })),
    prompt,
    baseline: known.baseline,
    current: known.current,
  };
}

const HANDLERS = {
  ...lensMethods({ summary, tokens }),
  ...patchingMethods({ summary, tokens }),
  model_card: modelCard(summary),
  tokens,
  token_stats: tokenStats,
  patterns,
  pattern: onePattern,
  pattern_lines: patternLines,
  attribution,
  head_sources: headSources,
  mlp_neurons: mlpNeurons,
  compare_bos: compareBos,
  ablation_grid: ablationGrid,
  effects,
  code: (kernel) => ({ code: `# hooks for ${kernel.ablated.join(", ") || "nothing"}\n` }),
};

export function change(kernel, method, args, intervention) {
  const before = structuredClone(kernel.interventions);
  const remember = () => {
    kernel.history.push(before);
    kernel.undone = [];
  };
  const find = (key) => kernel.interventions.find((item) => item.key === key);
  if (method === "undo" || method === "redo") {
    const [from, to] = method === "undo" ? [kernel.history, kernel.undone] : [kernel.undone, kernel.history];
    const state = from.pop();
    if (!state) throw new Error(`nothing to ${method}`);
    to.push(before);
    kernel.interventions = state;
  } else if (method === "toggle") {
    remember();
    const found = kernel.interventions.find((item) => item.component === args.component);
    if (found) kernel.interventions = kernel.interventions.filter((item) => item !== found);
    else kernel.interventions.push(intervention(args.component, args.kind));
  } else if (method === "toggle_patches") {
    remember();
    const key = (cell) => JSON.stringify([cell.node, cell.layer, cell.head, cell.pos]);
    const kept = new Set(kernel.interventions.filter(({ cell }) => cell).map(({ cell }) => key(cell)));
    const keys = args.cells.map(key);
    if (keys.every((one) => kept.has(one))) {
      kernel.interventions = kernel.interventions.filter(({ cell }) => !cell || !keys.includes(key(cell)));
    } else {
      for (const cell of args.cells) {
        if (kept.has(key(cell))) continue;
        const label = `blocks.${cell.layer}.${cell.node}`;
        kernel.interventions.push({ ...intervention(label, "patch"), key: `patch ${key(cell)}`, cell });
      }
    }
  } else if (method === "set_enabled") {
    remember();
    find(args.key).enabled = args.enabled;
  } else if (method === "remove") {
    remember();
    kernel.interventions = kernel.interventions.filter((item) => item.key !== args.key);
  } else if (method === "clear") {
    remember();
    kernel.interventions = [];
  } else if (method === "edit_prompt") {
    if (args.text.trim() === "") throw new Error("prompt is empty: type at least one token");
    const words = args.text.split(/(?= )/).map((word) => word.replace(" ", "·"));
    kernel.prompts[args.prompt] = {
      tokens: tokensOf(["<bos>", ...words]),
      correct: args.correct,
      wrong: args.wrong,
    };
  }
}
