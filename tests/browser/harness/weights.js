// What the mock kernel knows of weight circuits, composition, neurons and score sources.

import { noise } from "./data.js";
import { summary, tokens } from "./methods.js";

const signedNoise = (...parts) => 2 * noise(...parts) - 1;
const WORDS = ["·Mary", "·John", "·the", "·shops", "·gave", ",", "·bag", "·to", "·went", "·and", "·her", "·a"];
const word = (i) => ({ id: i, text: WORDS[i] ?? `·w${i}` });

function composition(kernel, { subtract_random, from_layer = 1 }, array) {
  const { n_layers, n_heads } = kernel.info;
  if (n_layers < 2) throw new Error("This model has one layer, so no head reads what another wrote.");
  const room = Math.max(1, Math.floor(999_000 / (4 * (n_layers - 1) * n_heads * n_heads)));
  const n_dst = Math.min(n_layers - from_layer, room);
  const scores = [];
  for (let row = 0; row < (n_layers - 1) * n_heads; row++) {
    for (let col = 0; col < n_dst * n_heads; col++) {
      const later = from_layer + Math.floor(col / n_heads) > Math.floor(row / n_heads);
      const value = 0.02 + 0.12 * noise("composition", row, col) ** 6;
      scores.push(later ? value - (subtract_random ? 0.0312 : 0) : Number.NaN);
    }
  }
  return {
    summary: summary(kernel),
    scores: array(scores, [(n_layers - 1) * n_heads, n_dst * n_heads]),
    dst_layer: from_layer,
    n_dst,
    random: 0.0312,
    random_spread: 0.0004,
    random_seeds: 16,
    units: subtract_random ? "ratio of norms above random" : "ratio of norms",
    definition: "K-composition: ‖W_V W_O · W_K W_Qᵀ‖ over the product of both norms",
    weights: "raw",
  };
}

const VOCABULARY = 50257;

function isPair({ circuit }) {
  return ["K", "Q", "V"].includes(circuit);
}

function entry(args, row, col) {
  const { circuit, layer, head } = args;
  if (circuit === "positions") return col > row ? 0 : col === row - 1 ? 0.8 : 0.2 / (row + 1);
  const same = row === col ? 3 : 0;
  return same + signedNoise(circuit, layer, head, row % 97, col % 89);
}

function axes(args) {
  return args.circuit === "positions" ? 1024 : VOCABULARY;
}

function checkPair(args) {
  if (!isPair(args) || args.writer_layer !== null) return;
  const error = new Error(`circuit='${args.circuit}' needs two heads, and only one is chosen.`);
  error.hint = "Choose the earlier head.";
  throw error;
}

function circuitTile(kernel, args, array) {
  checkPair(args);
  const { circuit, layer, head, writer_layer, writer_head, circuit_tokens, prompt } = args;
  const positions = circuit === "positions";
  const { row = 0, col = 0, size = 48, pool = 1 } = args;
  const n = axes(args);
  const name = isPair(args) ? `${circuit} L${writer_layer}H${writer_head} → L${layer}H${head}` : `${circuit} L${layer}H${head}`;
  const place = (i) => (positions ? { id: i, text: String(i) } : word(i));
  const byPrompt = circuit_tokens === "prompt" && !positions;
  const unique = [...new Map(kernel.prompts[prompt].tokens.map((token) => [token.id, token])).values()].slice(0, 128);
  const range = (start) => Array.from({ length: Math.min(size, Math.ceil((n - start) / pool)) }, (_, i) => place(start + i * pool));
  const rows = byPrompt ? unique : range(row);
  const columns = byPrompt ? unique : range(col);
  const values = rows.flatMap((r, i) => columns.map((c, j) => entry(args, byPrompt ? i : r.id, byPrompt ? j : c.id)));
  return {
    summary: summary(kernel),
    name,
    definition: `W_E W_V W_O W_U of ${name}: what attending to the row's token adds to a column's logit`,
    units: positions ? "attention weight" : "logits before the final norm",
    weights: "raw",
    shape: [n, n],
    rank: 64,
    signed: !positions,
    token_axes: !positions,
    rows,
    columns,
    values: array(values, [rows.length, columns.length]),
    row,
    col,
    pool,
    max_pool: 32,
  };
}

function ranked(key, k, sign) {
  return Array.from({ length: k }, (_, i) => ({
    token: word((i * 7 + Math.floor(100 * noise(key, sign))) % 400),
    value: (sign * (2 + noise(key))) / (1 + 0.2 * i),
  }));
}

function circuitRow(_kernel, { row, top_k, circuit, layer, head }) {
  const key = `row ${circuit} ${layer} ${head} ${row}`;
  return { row: word(row), highest: ranked(key, top_k, 1), lowest: ranked(key, top_k, -1), own: 1.25, rank: 3 };
}

function circuitDirection(_kernel, { direction, top_k, layer, head }) {
  const list = (side, sign) => ranked(`${side} ${direction} ${layer} ${head}`, top_k, sign * 0.05);
  return {
    direction,
    value: 16 / (1 + direction),
    row_highest: list("row", 1),
    row_lowest: list("row", -1),
    column_highest: list("column", 1),
    column_lowest: list("column", -1),
  };
}

function parseNeuron(name) {
  const match = /^L(\d+)N(\d+)$/i.exec(name.trim());
  if (!match) throw new Error(`neuron='${name}' is not a neuron.`);
  return { layer: Number(match[1]), index: Number(match[2]) };
}

function activation(kernel, layer, index, prompt, pos, which) {
  const moved = which === "baseline" ? 0 : 0.3 * kernel.ablated.length * noise("moved neuron", pos);
  return 3 * signedNoise("neuron", layer, index, prompt, pos) ** 3 + moved;
}

function neuron(kernel, { neuron: name, prompt, top_k }, array) {
  const { layer, index } = parseNeuron(name);
  if (layer >= kernel.info.n_layers) throw new Error(`neuron='${name}': the model has no such layer.`);
  const of = (which) => kernel.prompts[prompt].tokens.map((_, pos) => activation(kernel, layer, index, prompt, pos, which));
  const places = kernel.prompts
    .flatMap(({ tokens }, p) =>
      tokens.map((token, pos) => ({ token, prompt: p, pos, value: activation(kernel, layer, index, p, pos, "current") })),
    )
    .sort((a, b) => b.value - a.value);
  const n = kernel.prompts[prompt].tokens.length;
  return {
    summary: summary(kernel),
    neuron: `L${layer}N${index}`,
    layer,
    index,
    n_neurons: 3072,
    tokens: tokens(kernel, { prompt }),
    baseline: array(of("baseline"), [n]),
    current: array(of("current"), [n]),
    largest: Math.max(...places.map(({ value }) => Math.abs(value))),
    highest: places.slice(0, top_k),
    lowest: places.slice(-top_k).reverse(),
    units: "activation",
    definition: `activation of MLP neurons, after the nonlinearity and any gate: L${layer}N${index}, all prompts`,
  };
}

function topNeurons(kernel, { prompt, query_pos, top_k, which }, array) {
  const n = kernel.prompts[prompt].tokens.length;
  const pos = query_pos ?? n - 1;
  const { n_layers } = kernel.info;
  const all = Array.from({ length: n_layers * 40 }, (_, i) => ({ layer: i % n_layers, index: i * 17 }));
  const value = ({ layer, index }, p) => activation(kernel, layer, index, prompt, p, which);
  const chosen = all.sort((a, b) => Math.abs(value(b, pos)) - Math.abs(value(a, pos))).slice(0, top_k);
  return {
    summary: summary(kernel),
    pos,
    neurons: chosen.map(({ layer, index }) => `L${layer}N${index}`),
    values: array(chosen.flatMap((item) => Array.from({ length: n }, (_, p) => value(item, p))), [chosen.length, n]),
  };
}

function sourceNames(kernel, { layer, sources_by }) {
  const names = ["embed", "pos_embed"];
  for (let l = 0; l < layer; l++) {
    if (sources_by === "layer") names.push(`L${l}.attn`);
    else for (let h = 0; h < kernel.info.n_heads; h++) names.push(`L${l}H${h}`);
    names.push(`L${l}.mlp`);
  }
  return [...names, "bias"];
}

function part(kernel, { layer, head }, query, key, q, k, which) {
  const off = which !== "baseline" && [query, key].some((name) => kernel.ablated.includes(name));
  return off ? 0 : 0.8 * signedNoise("part", layer, head, query, key, q % 31, k % 29) ** 5;
}

function scoreSources(kernel, args, array) {
  const sources = sourceNames(kernel, args);
  const both = args.query_pos !== null && args.key_pos !== null;
  const [q, k] = both ? [args.query_pos, args.key_pos] : [null, null];
  const of = (which) => sources.flatMap((a) => sources.map((b) => part(kernel, args, a, b, q ?? 0, k ?? 0, which)));
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const shape = [sources.length, sources.length];
  return {
    summary: summary(kernel),
    tokens: tokens(kernel, args),
    sources,
    parts: array(of("current"), shape),
    baseline_parts: array(of("baseline"), shape),
    score: sum(of("current")),
    baseline_score: sum(of("baseline")),
    query_pos: q,
    key_pos: k,
    units: "score",
    definition: `scaled attention scores of L${args.layer}H${args.head} by the writers of query and key, mean over all pairs of positions`,
  };
}

function scoreMap(kernel, args, array) {
  const n = kernel.prompts[args.prompt].tokens.length;
  const values = [];
  for (let q = 0; q < n; q++) {
    for (let k = 0; k < n; k++) {
      values.push(k > q ? Number.NaN : 3 * part(kernel, args, args.query_source, args.key_source, q, k, args.which));
    }
  }
  const { query_source, key_source } = args;
  return { summary: summary(kernel), values: array(values, [n, n]), pool: 1, query_source, key_source };
}

export const WEIGHT_HANDLERS = {
  composition,
  circuit_tile: circuitTile,
  circuit_row: circuitRow,
  circuit_find: (_kernel, { text }) => ({ tokens: WORDS.map((_, i) => word(i)).filter((item) => item.text.includes(text.replaceAll(" ", "·"))) }),
  circuit_spectrum: (_kernel, _args, array) => ({ values: array(Array.from({ length: 64 }, (_, i) => 16 / (1 + 0.2 * i)), [64]) }),
  circuit_direction: circuitDirection,
  circuit_copy: () => ({ done: VOCABULARY, total: VOCABULARY, top1: 30154, top5: 43222 }),
  neuron,
  top_neurons: topNeurons,
  score_sources: scoreSources,
  score_map: scoreMap,
};
