// What the mock kernel says of its model.

export const modelCard = (summary) => (kernel) => {
  const { n_layers, n_heads, model_name } = kernel.info;
  const d_model = 64 * n_heads;
  const layers = n_layers > 1 ? `0-${n_layers - 1}` : "0";
  const matrix = (name, group, shape, axes, inBlocks, shared = []) => {
    const times = inBlocks ? n_layers : 1;
    const count = times * shape.reduce((product, length) => product * length, 1);
    return {
      ...{ name, group, shape, axes, shared, count },
      layers: inBlocks ? layers : "",
      n_layers: inBlocks ? n_layers : 0,
      megabytes: (4 * count) / 1e6,
      code: inBlocks ? `model.blocks[0].attn.${name}` : `model.${name}`,
    };
  };
  const heads = ["head", "d_model", "d_head"];
  const matrices = [
    matrix("W_E", "embedding", [50257, d_model], ["d_vocab", "d_model"], false, ["W_U"]),
    matrix("W_pos", "embedding", [1024, d_model], ["pos", "d_model"], false),
    matrix("ln1.weight", "norms", [d_model], [], true),
    ...["W_Q", "W_K", "W_V"].map((name) =>
      matrix(name, "attention", [n_heads, d_model, 64], heads, true),
    ),
    matrix("W_O", "attention", [n_heads, 64, d_model], ["head", "d_head", "d_model"], true),
    matrix("W_in", "MLPs", [d_model, 4 * d_model], ["d_model", "d_mlp"], true),
    matrix("W_out", "MLPs", [4 * d_model, d_model], ["d_mlp", "d_model"], true),
    matrix("mlp.experts.gate_up_proj", "MLPs", [3, 96, 32], [], true),
  ];
  const sum = (field) => matrices.reduce((total, one) => total + one[field], 0);
  const fact = (group, name, value, note = "") => ({ group, name, value, note });
  return {
    summary: summary(kernel),
    facts: [
      fact("shape", "layers", String(n_layers)),
      fact("shape", "heads", String(n_heads), `${Math.ceil(n_heads / 2)} of keys and values`),
      fact("shape", "d_model", String(d_model)),
      fact("design", "architecture", model_name),
      fact("design", "positions", "learned"),
      fact("design", "norm", "RMSNorm", "of what attention and MLPs write, too"),
      fact("weights", "parameters", String(sum("count")), "tied matrices counted once"),
      fact("weights", "device", "cpu", "18.2 GB free"),
      fact("weights", "memory", "498.0 MB", "28.3 MB are joint matrices kept beside their parts"),
      fact("tokenizer", "BOS", "<|endoftext|>"),
    ],
    findings: [
      { works: true, text: "Blocks run one by one: a change costs only the blocks from there on." },
      { works: false, text: "Edited attention patterns change nothing, so they are refused." },
    ],
    matrices,
    count: sum("count"),
    megabytes: sum("megabytes"),
  };
};
