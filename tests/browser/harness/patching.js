// Patching maps with synthetic data: a few cells matter, the rest is noise.

import { noise } from "./data.js";

const NODES = {
  blocks: [["resid_pre", "residual stream"], ["attn_out", "attention output"], ["mlp_out", "MLP output"]],
  heads: [["z", "output"], ["q", "query"], ["k", "key"], ["v", "value"], ["pattern", "pattern"]],
};

export function patchingMethods({ summary, tokens }) {
  const patching = (kernel, args, array) => {
    const { n_layers, n_heads } = kernel.info;
    const shown = tokens(kernel, { prompt: args.prompt }).tokens;
    const maps = NODES[args.patch_maps].map(([node, title]) => {
      const dims = ["layer", ...(args.patch_maps === "heads" ? ["head"] : []), ...(args.patch_maps === "blocks" || args.by_pos ? ["pos"] : [])];
      const sizes = { layer: n_layers, head: n_heads, pos: shown.length };
      const shape = dims.map((dim) => sizes[dim]);
      const n = shape.reduce((a, b) => a * b, 1);
      const strong = args.normalize ? 0.5 : 3;
      const values = Float32Array.from({ length: n }, (_, i) => strong * noise("patch", node, i, args.patch_into) ** 5);
      const exact = Uint8Array.from({ length: n }, (_, i) => (kernel.options.estimates && i % 3 === 0 ? 0 : 1));
      return {
        node,
        title,
        dims,
        values: array(values, shape),
        sem: array(values.map((x) => Math.abs(x) / 8), shape),
        exact: array(exact, shape, "uint8"),
        n_exact: exact.reduce((a, b) => a + b, 0),
        rank_correlation: 0.87,
      };
    });
    return {
      summary: summary(kernel),
      maps,
      tokens: shown,
      missing: [],
      clean: 3.55,
      corrupted: -3.55,
      units: args.normalize ? "fraction restored" : "logits",
      definition: "logit difference of the corrupted run after one activation of the clean run is put in its place.",
    };
  };
  return { patching, patching_code: () => ({ code: "maps = {}\n" }) };
}
