// Prompts of any length, and numbers that stay the same from one load to the next.

const SENTENCE = "<bos> When ·John ·and ·Mary ·went ·to ·the ·shops , ·John ·gave ·the ·bag ·to".split(" ");

export function sentence(count) {
  return Array.from({ length: count }, (_, i) =>
    i < SENTENCE.length ? SENTENCE[i] : SENTENCE[1 + ((i - 1) % (SENTENCE.length - 1))],
  );
}

// A number in [0, 1) that depends on its arguments only.
export function noise(...parts) {
  let h = hash(parts.join(","));
  h = Math.imul(h ^ (h >>> 15), 2246822507);
  h = Math.imul(h ^ (h >>> 13), 3266489909);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}
