// Synthetic numbers with the shape of a real circuit: stable under reload, moved by ablations.

const SENTENCE = "<bos> When ·John ·and ·Mary ·went ·to ·the ·shops , ·John ·gave ·the ·bag ·to".split(" ");

export function makeTokens(count) {
  const texts = Array.from({ length: count }, (_, i) =>
    i < SENTENCE.length ? SENTENCE[i] : SENTENCE[1 + ((i - 1) % (SENTENCE.length - 1))],
  );
  return tokensOf(texts);
}

export function tokensOf(texts) {
  return texts.map((text) => ({ id: 1 + (hash(text) % 50000), text }));
}

export function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

// A number in [0, 1) that depends on its arguments only.
export function noise(...parts) {
  let h = hash(parts.join(","));
  h = Math.imul(h ^ (h >>> 15), 2246822507);
  h = Math.imul(h ^ (h >>> 13), 3266489909);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

const KINDS = ["previous", "first", "current", "broad", "first", "induction", "local", "name"];

export function headKind(layer, head) {
  return KINDS[Math.floor(noise("kind", layer, head) * KINDS.length)];
}

// [query, key] weights; rows sum to 1 over the causal part. `damage` in [0, 1] blurs toward the first token.
export function pattern(layer, head, tokens, damage) {
  const n = tokens.length;
  const kind = headKind(layer, head);
  const out = new Float32Array(n * n);
  for (let q = 0; q < n; q++) {
    const row = new Float64Array(q + 1);
    for (let k = 0; k <= q; k++) {
      const base = -Math.abs(noise(layer, head, k % 37, q % 41)) * 1.5;
      let score = base;
      if (kind === "previous" && k === q - 1) score += 7;
      if (kind === "current" && k === q) score += 6;
      if (kind === "local") score += 3 - 0.9 * (q - k);
      if (kind === "broad") score += 0.4;
      if (kind === "induction" && k > 0 && tokens[k - 1].text === tokens[q].text && k - 1 < q) score += 6.5;
      if (kind === "name" && /^·[A-Z]/.test(tokens[k].text) && k < q) score += 3.5;
      if (k === 0) score += kind === "first" ? 6 : kind === "broad" || kind === "local" ? 0.5 : 3;
      row[k] = score;
    }
    let sum = 0;
    for (let k = 0; k <= q; k++) sum += Math.exp(row[k]);
    for (let k = 0; k <= q; k++) {
      const clean = Math.exp(row[k]) / sum;
      const blurred = k === 0 ? 1 : 0;
      out[q * n + k] = clean * (1 - damage) + blurred * damage;
    }
  }
  return out;
}

// The direct effect of a component on the metric without interventions.
export function effect(component, scale = 1) {
  const u = noise("effect", component);
  const v = noise("size", component);
  const size = v > 0.9 ? 1.2 + 3 * (v - 0.9) * 10 : 0.25 * v * v;
  return scale * (u > 0.4 ? size : -0.6 * size);
}
