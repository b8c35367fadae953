// What the mock kernel answers about the logit lens: stages that make up their mind towards the end.

import { effect, noise, tokensOf } from "./data.js";

const WORDS = "·Mary ·John ·the ·to ·a ·him ·her , ·and ·it ·bag ·shops ·gave ·store ·school ·friend".split(" ");
const D_VOCAB = 50257;

function stagesOf(kernel, inclMid) {
  const stages = [];
  for (let layer = 0; layer < kernel.info.n_layers; layer++) {
    stages.push([`${layer}_pre`, layer]);
    if (inclMid) stages.push([`${layer}_mid`, layer]);
  }
  stages.push(["final_post", kernel.info.n_layers - 1]);
  return stages;
}

function cell(kernel, name, share, pos, which) {
  const moved = which === "baseline" ? 0 : Math.min(0.8, 0.4 * kernel.ablated.length);
  const sure = share ** 2 * (1 - moved * noise("moved", pos));
  const early = Math.floor(noise("early", name, pos) * WORDS.length);
  const final = Math.floor(noise("final", pos) * 6);
  const settled = share > 0.35 + 0.5 * noise("settles", pos) + 0.3 * moved;
  return {
    word: WORDS[settled ? final : early],
    prob: 0.04 + 0.92 * sure * (0.4 + 0.6 * noise("sure", pos)),
    rank: share === 1 ? 0 : Math.floor(3000 ** (1 - sure) * noise("rank", name, pos)),
    kl: 9 * (1 - share) * (0.5 + noise("kl", name, pos)),
  };
}

const answerTokens = (shown) => (shown.answer ? [shown.answer.correct, shown.answer.wrong] : tokensOf(WORDS.slice(0, 2)));

export const lensMethods = ({ summary, tokens }) => ({
  lens(kernel, { prompt, which, lens_target, incl_mid, start, count = 16 }, array) {
    const shown = tokens(kernel, { prompt });
    const n = shown.tokens.length;
    const cols = Math.min(count, n);
    const first = Math.max(0, Math.min(n - cols, start ?? n));
    const stages = stagesOf(kernel, incl_mid);
    const at = (run) =>
      stages.flatMap(([name], s) =>
        Array.from({ length: cols }, (_, i) => cell(kernel, name, s / (stages.length - 1), first + i, run)),
      );
    const [before, now] = [at("baseline"), at(which === "baseline" ? "baseline" : "current")];
    const change = which === "difference";
    const field = (key) => array(now.map((one, i) => one[key] - (change ? before[i][key] : 0)), [stages.length, cols]);
    const ids = (cells) => array(cells.map(({ word }) => tokensOf([word])[0].id), [stages.length, cols]);
    const following = Array.from({ length: cols }, (_, i) => shown.tokens[first + i + 1] ?? null);
    const targets = lens_target === "next" ? following : following.map(() => answerTokens(shown)[0]);
    return {
      summary: summary(kernel),
      tokens: shown,
      which,
      stages: stages.map(([name]) => name),
      layers: stages.map(([, layer]) => layer),
      start: first,
      token: ids(now),
      was: ids(change ? before : now),
      prob: field("prob"),
      rank: field("rank"),
      target_prob: field("prob"),
      kl: field("kl"),
      texts: tokensOf(WORDS),
      targets,
      target: lens_target === "next" ? "the true next token" : "the correct answer",
      d_vocab: D_VOCAB,
    };
  },
  lens_cell(kernel, { prompt, incl_mid, stage, pos, k }) {
    const stages = stagesOf(kernel, incl_mid);
    const share = stages.findIndex(([name]) => name === stage) / (stages.length - 1);
    const now = cell(kernel, stage, share, pos, "current");
    const before = cell(kernel, stage, share, pos, "baseline");
    const words = [now.word, ...WORDS.filter((word) => word !== now.word)].slice(0, k);
    const predictions = tokensOf(words).map((token, i) => ({
      token,
      baseline: before.prob * 0.45 ** i,
      current: now.prob * 0.45 ** i,
      baseline_rank: i,
      current_rank: i,
    }));
    const answer = answerTokens(tokens(kernel, { prompt }))[0];
    const listed = predictions.find(({ token }) => token.id === answer.id);
    const target = listed ?? { token: answer, baseline: 0.01, current: 0.02, baseline_rank: 90, current_rank: 40 };
    return {
      summary: summary(kernel), prompt, stage, pos, predictions, target,
      baseline_kl: before.kl, current_kl: now.kl,
    };
  },
  lens_path(kernel, { prompt, query_pos, pins, incl_mid }, array) {
    const shown = tokens(kernel, { prompt });
    const stages = stagesOf(kernel, incl_mid);
    const known = tokensOf(WORDS);
    const followed = pins.length
      ? pins.map((id) => known.find((token) => token.id === id) ?? { id, text: `#${id}` })
      : answerTokens(shown);
    const values = (key, which) =>
      array(
        followed.flatMap((token, t) =>
          stages.map(([name], s) => {
            const one = cell(kernel, `${name}${token.id}`, s / (stages.length - 1), query_pos ?? 99, which);
            return key === "rank" ? one.rank + t : one.prob / (1 + 2 * t);
          }),
        ),
        [followed.length, stages.length],
      );
    return {
      summary: summary(kernel),
      prompt,
      pos: query_pos ?? shown.tokens.length - 1,
      stages: stages.map(([name]) => name),
      tokens: followed,
      baseline_prob: values("prob", "baseline"),
      current_prob: values("prob", "current"),
      baseline_rank: values("rank", "baseline"),
      current_rank: values("rank", "current"),
      d_vocab: D_VOCAB,
    };
  },
  lens_lines(kernel, { scope, incl_mid }, array) {
    const curve = (names, values) => {
      const now = values.map((value, i) => value * (1 - 0.3 * Math.min(2, kernel.ablated.length) * noise("cut", i)));
      const errors = values.map((_, i) => (scope === "mean" ? 0.1 + 0.3 * noise("error", i) : Number.NaN));
      const pack = (list) => array(list, [names.length]);
      return {
        names,
        baseline: pack(values),
        current: pack(now),
        change: pack(now.map((value, i) => value - values[i])),
        baseline_sem: pack(errors),
        current_sem: pack(errors),
        change_sem: pack(errors),
      };
    };
    const stages = stagesOf(kernel, incl_mid).map(([name]) => name);
    const layers = Array.from({ length: kernel.info.n_layers }, (_, layer) => [`L${layer}.attn`, `L${layer}.mlp`]);
    const parts = ["embed", "pos_embed", ...layers.flat(), "bias"];
    return {
      summary: summary(kernel),
      accumulated: curve(stages, stages.map((name, s) => 3.5 * (s / stages.length) ** 3 + 0.2 * noise(name))),
      parts: curve(parts, parts.map((name) => effect(name))),
      units: "logits",
      definition:
        "Logit of the correct answer minus logit of the wrong one, at the last position; through the final norm " +
        "with the scale it had at the end.",
    };
  },
  lens_token: (_kernel, { text }) => {
    if (text.trim().includes(" ")) throw new Error(`token=${JSON.stringify(text)} is 2 tokens, not one.`);
    return tokensOf([text.replaceAll(" ", "·")])[0];
  },
  lens_code: (kernel) => ({ code: `# lens of ${kernel.ablated.join(", ") || "the model"}\n` }),
});
