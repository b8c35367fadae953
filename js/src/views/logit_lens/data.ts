/** A window of the lens as a map: rows in the order shown, values and what colours them. Pure. */

import { fixed, signed } from "../../core/draw/format";
import type { Dataset } from "../../core/state/dataset";
import type { Cell, Grid, OPTIONS, Path } from "../../generated/logit_lens";
import type { TokenInfo } from "../../generated/session";

export type LensColor = (typeof OPTIONS.lens_color)["initial"];
export type LensOrder = (typeof OPTIONS.lens_order)["initial"];
export type LensShow = (typeof OPTIONS.show)["initial"];

export interface LensWindow {
  show: LensShow;
  /** Stage names from top to bottom, with the layer of each. */
  stages: readonly string[];
  layers: readonly number[];
  start: number;
  count: number;
  /** By position of the window; "" where there is none. */
  targets: readonly string[];
  target: string;
  dVocab: number;
  /** Row-major by shown row and position of the window; ranks are NaN without a target. */
  token: readonly TokenInfo[];
  was: readonly TokenInfo[];
  prob: Float32Array;
  rank: Float32Array;
  targetProb: Float32Array;
  kl: Float32Array;
}

export function readWindow(data: Dataset<Grid>, order: LensOrder): LensWindow {
  const stages = data.texts("stage");
  const rows = stages.length;
  const count = data.dims.pos ?? 0;
  const flipped = order === "last_on_top";
  const source = (cell: number) => {
    const row = Math.floor(cell / count);
    return (flipped ? rows - 1 - row : row) * count + (cell % count);
  };
  const arrange = (name: Parameters<typeof data.numbers>[0]) => {
    const values = data.numbers(name);
    return values.map((_, cell) => values[source(cell)] ?? Number.NaN);
  };
  const words = (name: "top_token" | "baseline_token") => {
    const texts = data.texts(name);
    const ids = data.numbers(`${name}_id`);
    return texts.map((_, cell) => ({
      id: ids[source(cell)] ?? -1,
      text: texts[source(cell)] ?? "",
    }));
  };
  const turn = <T>(items: readonly T[]) => (flipped ? [...items].reverse() : items);
  return {
    show: data.attrs.show,
    stages: turn(stages),
    layers: turn([...data.numbers("layer")]),
    start: data.numbers("pos")[0] ?? 0,
    count,
    targets: data.texts("target_token"),
    target: data.attrs.target,
    dVocab: data.attrs.d_vocab,
    token: words("top_token"),
    was: words("baseline_token"),
    prob: arrange("prob"),
    rank: arrange("rank"),
    targetProb: arrange("target_prob"),
    kl: arrange("kl"),
  };
}

/** The tokens of an answer that lists some. */
export function tokensIn(data: Dataset<Cell> | Dataset<Path>): TokenInfo[] {
  const ids = data.numbers("token_id");
  return data.texts("token").map((text, i) => ({ id: ids[i] ?? -1, text }));
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
export function shading(window: LensWindow, color: LensColor): Shading {
  const change = window.show === "difference";
  if (color === "rank") {
    return {
      values: window.rank,
      colors: window.rank.map((rank) =>
        change ? -Math.sign(rank) * Math.log10(1 + Math.abs(rank)) : rankShade(rank, window.dVocab),
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

/** Where a stage is among the points of a chart; null where it is not. */
export function placeOf(stage: string | null, stages: readonly string[]): number | null {
  const at = stage === null ? -1 : stages.indexOf(stage);
  return at < 0 ? null : at;
}

/** "L3", "L3 mid" and "end" of TransformerLens's "3_pre", "3_mid" and "final_post". */
export function stageName(stage: string): string {
  const [layer = "", part] = stage.split("_");
  if (layer === "final") return "end";
  return part === "mid" ? `L${layer} mid` : `L${layer}`;
}

/** Where in the model the residual stream is read. */
export function stageWords(stage: string): string {
  const [layer = "", part] = stage.split("_");
  if (layer === "final") return "after the last layer";
  return part === "mid" ? `in layer ${layer}, after attention` : `before layer ${layer}`;
}

/** The height of the grid with its lists and charts, which stand in pairs where there is room. */
export function reservedHeight(width: number, layers: number, mid: boolean): number {
  const rows = mid ? 2 * layers + 1 : layers + 1;
  return Math.min(760, 22 * rows) + (width > 760 ? 776 : 1365);
}
