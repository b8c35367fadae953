// Answers about the activations of a run, with synthetic data.

import { noise } from "./data.js";
import { summary, tokens } from "./methods.js";

const D_MODEL = 32;
const D_HEAD = 8;

// The kinds of activations of a small model: name, aliases, short name, axes.
const BLOCK = [
  ["hook_resid_pre", ["hook_in"], ["resid_pre"], ["prompt", "pos", "d_model"]],
  ["ln1.hook_scale", [], ["scale", "ln1"], ["prompt", "pos", "one"]],
  ["ln1.hook_normalized", [], ["normalized", "ln1"], ["prompt", "pos", "d_model"]],
  ["attn.hook_q", ["attn.q.hook_out"], ["q"], ["prompt", "pos", "head", "d_head"]],
  ["attn.hook_k", ["attn.k.hook_out"], ["k"], ["prompt", "pos", "head", "d_head"]],
  ["attn.hook_v", ["attn.v.hook_out"], ["v"], ["prompt", "pos", "head", "d_head"]],
  ["attn.hook_pattern", [], ["pattern"], ["prompt", "head", "query_pos", "key_pos"]],
  ["attn.hook_z", ["attn.o.hook_in"], ["z"], ["prompt", "pos", "head", "d_head"]],
  ["hook_attn_out", ["attn.hook_out"], ["attn_out"], ["prompt", "pos", "d_model"]],
  ["mlp.hook_post", ["mlp.out.hook_in"], ["post"], ["prompt", "pos", "d_mlp"]],
  ["hook_mlp_out", ["mlp.hook_out"], ["mlp_out"], ["prompt", "pos", "d_model"]],
  ["hook_resid_post", ["hook_out"], ["resid_post"], ["prompt", "pos", "d_model"]],
];
const OUTSIDE = [
  ["embed.hook_in", [], [], ["prompt", "pos"]],
  ["hook_embed", ["embed.hook_out"], ["embed"], ["prompt", "pos", "d_model"]],
  ["ln_final.hook_normalized", [], ["normalized"], ["prompt", "pos", "d_model"]],
  ["hook_unembed", ["unembed.hook_out"], ["unembed"], ["prompt", "pos", "d_vocab"]],
];

function sizes(kernel, n_pos) {
  const { n_heads } = kernel.info;
  const d_mlp = 4 * D_MODEL;
  const positions = { pos: n_pos, query_pos: n_pos, key_pos: n_pos };
  return { ...positions, head: n_heads, d_head: D_HEAD, d_model: D_MODEL, d_mlp, d_vocab: 60, one: 1 };
}

function activations(kernel) {
  const longest = Math.max(...kernel.prompts.map((prompt) => prompt.tokens.length));
  const known = { ...sizes(kernel, longest), prompt: kernel.prompts.length };
  const layers = Array.from({ length: kernel.info.n_layers }, (_, i) => i);
  const group = (prefix, of, [name, aliases, short, dims]) => {
    const shape = dims.map((dim) => known[dim]);
    return {
      name: prefix + name,
      aliases: aliases.map((alias) => prefix + alias),
      layers: of,
      short,
      dims,
      shape,
      n_bytes: 4 * shape.reduce((product, length) => product * length, 1),
    };
  };
  const groups = [
    ...OUTSIDE.slice(0, 2).map((kind) => group("", [], kind)),
    ...BLOCK.map((kind) => group("blocks.{layer}.", layers, kind)),
    ...OUTSIDE.slice(2).map((kind) => group("", [], kind)),
  ];
  const count = ({ layers: own }) => Math.max(1, own.length);
  return {
    summary: summary(kernel),
    groups,
    n_activations: groups.reduce((sum, each) => sum + count(each), 0),
    n_bytes: groups.reduce((sum, each) => sum + count(each) * each.n_bytes, 0),
    dtype: "float32",
  };
}

function stats(values) {
  const known = values.filter((value) => !Number.isNaN(value));
  const sum = (numbers) => numbers.reduce((total, value) => total + value, 0);
  const mean = sum(known) / known.length;
  return {
    n: values.length,
    mean,
    std: Math.sqrt(sum(known.map((value) => (value - mean) ** 2)) / (known.length - 1)),
    min: Math.min(...known),
    max: Math.max(...known),
    norm: Math.sqrt(sum(known.map((value) => value ** 2))),
    zeros: known.filter((value) => value === 0).length / known.length,
    n_nan: values.length - known.length,
    n_inf: 0,
    n_masked: 0,
  };
}

function activation(kernel, args, array) {
  const told = tokens(kernel, args);
  const { groups } = activations(kernel);
  const general = args.activation.replace(/^blocks\.\d+\./, "blocks.{layer}.");
  const kind = groups.find(({ name, aliases }) => name === general || aliases.includes(general));
  if (!kind) throw Object.assign(new Error(`activation '${args.activation}' is not a hook`), { hint: "Look." });
  const known = sizes(kernel, told.tokens.length);
  const dims = kind.dims.filter((dim) => dim !== "prompt" && dim !== "one");
  const heads = args.slice_rows === "head" && dims.includes("head");
  const row_dim = heads ? "head" : dims.find((dim) => dim.endsWith("pos"));
  const column_dim = dims.findLast((dim) => dim !== row_dim) ?? "";
  const cuts = dims
    .filter((dim) => dim !== row_dim && dim !== column_dim)
    .map((dim) => ({
      dim,
      size: known[dim],
      index: dim === "head" ? (args.head ?? 0) : (args.query_pos ?? known[dim] - 1),
    }));
  const [n_rows, n_columns] = [known[row_dim], column_dim ? known[column_dim] : 1];
  const where = cuts.map(({ dim, index }) => `${dim}${index}`).join();
  const made = (off) =>
    Array.from({ length: n_rows * n_columns }, (_, i) => {
      const [row, column] = [Math.floor(i / n_columns), i % n_columns];
      const size = noise(args.activation, where, row, column);
      if (column_dim === "key_pos") return column > row ? 0 : size / (row + 1);
      return (2 * size - 1) * (off ? 0.7 : 1) * (row === 0 && column === 3 ? 9 : 1);
    });
  const baseline = made(false);
  const current = made(kernel.ablated.length > 0);
  const difference = current.map((value, i) => value - baseline[i]);
  const all = { baseline, current, difference };
  return {
    summary: told.summary,
    tokens: told,
    activation: args.activation,
    prompt: args.prompt,
    which: args.which,
    dims,
    shape: dims.map((dim) => known[dim]),
    dtype: "float32",
    baseline: stats(baseline),
    current: stats(current),
    difference: stats(difference),
    row_dim,
    column_dim,
    n_rows,
    n_columns,
    ...part(all[args.which], n_rows, n_columns, kernel.options.pool ?? 1, args, array),
    cuts,
    units: "activation",
  };
}

// The whole, or every so manyth column of it, or from a corner on without leaving any out.
function part(values, n_rows, n_columns, pool, { row_from, column_from }, array) {
  const cut = (row, column, step) => {
    const kept = values.filter((_, i) => {
      const across = (i % n_columns) - column;
      return Math.floor(i / n_columns) >= row && across >= 0 && across % step === 0;
    });
    const shape = [n_rows - row, Math.ceil((n_columns - column) / step)];
    return { row, column, row_pool: 1, column_pool: step, values: array(kept, shape) };
  };
  return row_from === undefined ? cut(0, 0, pool) : cut(row_from, column_from, 1);
}

function code(_kernel, { activation: name }) {
  return { code: `_, cache = model.run_with_cache(tokens, names_filter=["${name}"])` };
}

export const ACTIVATION_HANDLERS = { activations, activation, activation_code: code };
