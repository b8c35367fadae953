/** A window of the lens as a map: rows in the order shown, values and what colours them. Pure. */

import { fixed, signed } from "../../core/draw/format";
import { decode } from "../../core/state/arrays";
import type { LensResult, Options, TokenInfo } from "../../generated/protocol";

export type LensColor = Options["lens_color"];
export type LensOrder = Options["lens_order"];

export interface LensWindow {
  /** Stage names from top to bottom, with the layer of each. */
  stages: readonly string[];
  layers: readonly number[];
  start: number;
  count: number;
  /** Row-major by shown row and position of the window. */
  token: readonly TokenInfo[];
  was: readonly TokenInfo[];
  prob: Float32Array;
  rank: Float32Array;
  targetProb: Float32Array;
  kl: Float32Array;
}

const NO_TOKEN: TokenInfo = { id: -1, text: "" };

export function readWindow(
  result: LensResult,
  buffers: readonly DataView[],
  order: LensOrder,
): LensWindow {
  const rows = result.stages.length;
  const token = decode(result.token, buffers);
  const count = token.shape[1] ?? 0;
  const flipped = order === "last_on_top";
  const source = (row: number) => (flipped ? rows - 1 - row : row);
  const arrange = (data: Float32Array) => {
    const out = new Float32Array(rows * count);
    for (let row = 0; row < rows; row++) {
      const from = source(row) * count;
      out.set(data.subarray(from, from + count), row * count);
    }
    return out;
  };
  const texts = new Map(result.texts.map((info) => [info.id, info]));
  const words = (data: Float32Array) =>
    Array.from(arrange(data), (id) => texts.get(id) ?? NO_TOKEN);
  const rank = arrange(decode(result.rank, buffers).data);
  if (result.which !== "difference") {
    // A rank of -1 stands for a position without a target.
    for (let i = 0; i < rank.length; i++) if ((rank[i] ?? 0) < 0) rank[i] = Number.NaN;
  } else {
    for (let i = 0; i < rank.length; i++) if (!result.targets[i % count]) rank[i] = Number.NaN;
  }
  const turn = <T>(items: readonly T[]) => (flipped ? [...items].reverse() : items);
  return {
    stages: turn(result.stages),
    layers: turn(result.layers),
    start: result.start,
    count,
    token: words(token.data),
    was: words(decode(result.was, buffers).data),
    prob: arrange(decode(result.prob, buffers).data),
    rank,
    targetProb: arrange(decode(result.target_prob, buffers).data),
    kl: arrange(decode(result.kl, buffers).data),
  };
}

export interface Shading {
  values: Float32Array;
  /** What is coloured: the values themselves, or the logarithm of ranks. */
  colors: Float32Array | null;
  kind: "sequential" | "diverging" | "loss";
  /** A fixed end of the scale; without it a round number above the largest magnitude. */
  hi?: number;
  units: string;
  format: (value: number) => string;
}

const whole = (value: number) => fixed(value, 0);
const wholeChange = (value: number) => signed(value, 0);
const four = (value: number) => fixed(value, 4);
const fourChange = (value: number) => signed(value, 4);

/** What the chosen colour shows of a window. */
export function shading(window: LensWindow, color: LensColor, result: LensResult): Shading {
  const change = result.which === "difference";
  if (color === "rank") {
    return {
      values: window.rank,
      colors: window.rank.map((rank) =>
        change
          ? -Math.sign(rank) * Math.log10(1 + Math.abs(rank))
          : rankShade(rank, result.d_vocab),
      ),
      kind: change ? "diverging" : "sequential",
      ...(change ? {} : { hi: 1 }),
      units: change ? "ranks" : "",
      format: change ? wholeChange : whole,
    };
  }
  const format = change ? fourChange : four;
  if (color === "kl") {
    const kind = change ? "diverging" : "loss";
    return { values: window.kl, colors: null, kind, units: "nats", format };
  }
  const fixedEnd = change ? {} : { hi: 1 };
  const kind = change ? "diverging" : "sequential";
  return { values: window.prob, colors: null, kind, ...fixedEnd, units: "probability", format };
}

/** 1 for the first rank, 0 for the last, by the logarithm between. */
export function rankShade(rank: number, dVocab: number): number {
  return 1 - Math.log(1 + rank) / Math.log(Math.max(2, dVocab));
}

/** Where a window of `count` positions begins that shows `pos`; null leaves it where it is. */
export function startFor(pos: number, start: number, count: number, length: number): number | null {
  if (pos >= start && pos < start + count) return null;
  return Math.max(0, Math.min(length - count, pos - Math.floor(count / 2)));
}

/** How many positions fit a width, a token's text in each. */
export function columnsIn(width: number): number {
  return Math.max(4, Math.min(64, Math.floor((width - NAMES_PX) / COLUMN_PX)));
}

const NAMES_PX = 104;
const COLUMN_PX = 52;
