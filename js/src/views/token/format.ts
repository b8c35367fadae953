// What the token strip says and how it is coloured, without markup.

export type TokenColor = "loss" | "hit";

/** What colours the strip: what is predicted, or attention from the picked token, or to it. */
export type StripColor = TokenColor | "from" | "to";

/** Of what is predicted; beside attention, the loss. */
export function predictedColor(color: StripColor): TokenColor {
  return color === "hit" ? "hit" : "loss";
}

const ATTENTION_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
/** Up to so many tokens, weights are large enough for a scale that is always the same. */
const SHORT = 100;

/** The top of the scale of attention weights: 1, in long prompts the smallest step that holds all. */
export function attentionTop(values: ArrayLike<number>): number {
  if (values.length <= SHORT) return 1;
  const largest = Array.from(values).reduce((most, value) => (value > most ? value : most), 0);
  return ATTENTION_STEPS.find((step) => largest <= step) ?? 1;
}

const LOSS_STEPS = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 30, 50, 100];

/**
 * The top of the loss scale in nats: the smallest step that holds every loss, before and after. Steps
 * rather than the maximum itself, so that a toggle seldom changes what a colour means.
 */
export function lossTop(...series: readonly ArrayLike<number>[]): number {
  let largest = 0;
  for (const values of series) {
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i];
      if (value !== undefined && Number.isFinite(value)) largest = Math.max(largest, value);
    }
  }
  return LOSS_STEPS.find((step) => largest <= step) ?? Math.ceil(largest);
}

export type ChipTone =
  | { kind: "none" }
  | { kind: "loss"; fraction: number }
  | { kind: "hit" }
  | { kind: "miss" };

/** The last token predicts nothing that is known, so it has no colour. */
export function chipTone(
  color: TokenColor,
  loss: number | undefined,
  rank: number | undefined,
  top: number,
): ChipTone {
  if (loss === undefined || !Number.isFinite(loss)) return { kind: "none" };
  if (color === "hit") {
    if (rank === undefined || !Number.isFinite(rank)) return { kind: "none" };
    return { kind: rank === 0 ? "hit" : "miss" };
  }
  const fraction = top > 0 ? loss / top : 0;
  return { kind: "loss", fraction: Math.max(0, Math.min(1, fraction)) };
}

/** How many positions the model predicts right, of those that have a next token. */
export function hitCount(ranks: ArrayLike<number>, length: number): { hits: number; of: number } {
  let hits = 0;
  let of = 0;
  for (let i = 0; i < length - 1; i += 1) {
    const rank = ranks[i];
    if (rank === undefined || !Number.isFinite(rank)) continue;
    of += 1;
    if (rank === 0) hits += 1;
  }
  return { hits, of };
}

/** The hits of one prompt, and of all: `33 of 111 next tokens ranked first`. */
export function hitText(hits: number, baseline: number, of: number): string {
  const moved = hits === baseline ? `${hits}` : `${baseline} → ${hits}`;
  return `${moved} of ${of} next token${of === 1 ? "" : "s"} ranked first`;
}

export interface Shared {
  /** Tokens that are predicted with and without BOS. */
  count: number;
  /** Mean losses over these, and how many rank first: with BOS, without. */
  loss: [number, number];
  hits: [number, number];
}

/**
 * Compares the two over the tokens that both predict. `loss` and `rank` are [2, pos]; the first token
 * of the text is predicted with BOS only, so it would flatter neither fairly.
 */
export function sharedPredictions(
  loss: ArrayLike<number>,
  rank: ArrayLike<number>,
  length: number,
): Shared {
  const shared: Shared = { count: 0, loss: [0, 0], hits: [0, 0] };
  for (let pos = 0; pos < length; pos += 1) {
    const both = [loss[pos], loss[length + pos]];
    if (!both.every((value) => value !== undefined && Number.isFinite(value))) continue;
    shared.count += 1;
    for (const which of [0, 1] as const) {
      shared.loss[which] += both[which] ?? 0;
      if (rank[which * length + pos] === 0) shared.hits[which] += 1;
    }
  }
  const mean = (sum: number) => (shared.count > 0 ? sum / shared.count : Number.NaN);
  shared.loss = [mean(shared.loss[0]), mean(shared.loss[1])];
  return shared;
}

/** A probability with four digits; what rounds to nothing but is not nothing says so. */
export function probText(p: number): string {
  if (!Number.isFinite(p)) return "–";
  if (p > 0 && p < 0.00005) return "<0.0001";
  return p.toFixed(4);
}

/** The names of each position; a name is written where a run of its positions begins. */
export function namesAt(
  spans: Readonly<Record<string, readonly number[]>>,
): ReadonlyMap<number, { names: string; begins: boolean }> {
  const found = new Map<number, { names: string; begins: boolean }>();
  for (const [name, places] of Object.entries(spans)) {
    for (const pos of places) {
      const names = [found.get(pos)?.names, name].filter(Boolean).join(", ");
      found.set(pos, { names, begins: false });
    }
  }
  for (const [pos, one] of found) one.begins = found.get(pos - 1)?.names !== one.names;
  return found;
}
