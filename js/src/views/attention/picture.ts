import { at, type NumArray, part } from "../../core/state/arrays";
import type { Dataset } from "../../core/state/dataset";
import type { Answered } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import type { PromptTokens } from "../../core/state/tokens";
import type * as ask from "../../generated/attention";
import { isSigned, type Kind } from "./kind";
import type { Zoom } from "./layout";
import { isInside } from "./range";

/** A square of a pattern's cells. */
export interface Tile extends Zoom {
  /** [query, key], or its blocks of `pool` x `pool`. */
  values: NumArray;
  pool: number;
}

/** The best known numbers of one head's pattern. */
export interface Picture extends Tile {
  /** Float32 as the model computed it; otherwise rounded to fit a message. */
  exact: boolean;
  /** Where the values are from; null while they are the thumbnails'. */
  answer: Dataset<ask.Pattern> | null;
  /** Of a pattern that came rounded the cells that are known exactly, where it is zoomed into. */
  part: Tile | null;
}

type ArgsOf<Q extends { args?: object }> = NonNullable<Q["args"]>;
export type PatternsReply = Answered<ArgsOf<typeof ask.patterns>, ask.Patterns>;
export type PatternReply = Answered<ArgsOf<typeof ask.pattern>, ask.Pattern>;

/** The thumbnails' numbers, and what they are. */
export interface Sheet extends Pick<Kind, "which" | "mode"> {
  tokens: PromptTokens;
  /** [layer, head, query, key] */
  patterns: NumArray;
  pool: number;
  definition: string;
  of(layer: number, head: number): NumArray;
}

/** Null while the patterns are of other tokens: one of the two is still on its way. */
export function readSheet(
  { data, args }: Pick<PatternsReply, "data" | "args">,
  tokens: PromptTokens | null,
): Sheet | null {
  if (!data || !args || args.prompt !== tokens?.prompt) return null;
  const patterns = data.array("patterns");
  const pool = data.attrs.pool * data.poolOf("patterns")[0];
  if (!covers(patterns.shape.at(-1), pool, tokens)) return null;
  return {
    tokens,
    patterns,
    pool,
    which: args.show,
    mode: args.attention_mode,
    definition: data.attrs.definition,
    of: (layer, head) => part(patterns, layer, head),
  };
}

/** Whether so many blocks of positions are those of a prompt. */
function covers(blocks: number | undefined, pool: number, tokens: PromptTokens): boolean {
  return blocks === Math.ceil(tokens.list.length / pool);
}

/**
 * What the large pattern shows of a head: the exact reply when it is about this head, else what the
 * thumbnails already know, so that a click is answered in the same frame.
 */
export function pictureOf(
  head: HeadRef,
  kind: Kind,
  sheet: Sheet | null,
  { data, args }: Pick<PatternReply, "data" | "args">,
): Picture | null {
  if (!sheet) return null;
  const whole = { q0: 0, k0: 0, span: sheet.tokens.list.length, part: null };
  const answers =
    args?.layer === head.layer &&
    args.head === head.head &&
    args.prompt === sheet.tokens.prompt &&
    args.show === kind.which &&
    args.attention_mode === kind.mode &&
    args.head_average === kind.average;
  if (answers && data) {
    const values = data.array("pattern");
    const [pool] = data.poolOf("pattern");
    if (covers(values.shape[0], pool, sheet.tokens)) {
      return { ...whole, values, pool, exact: data.isExact("pattern"), answer: data };
    }
  }
  if (head.layer >= (sheet.patterns.shape[0] ?? 0)) return null;
  const values =
    kind.average === "none" ? sheet.of(head.layer, head.head) : mean(sheet, head, kind);
  return values && { ...whole, values, pool: sheet.pool, exact: false, answer: null };
}

/** The mean over a layer's heads or over all, of the thumbnails' numbers. */
function mean(sheet: Sheet, head: HeadRef, kind: Kind): NumArray | null {
  const [layers = 0, heads = 0, n = 0] = sheet.patterns.shape;
  // The largest of the means is not the mean of the largest: blocks of signed values tell nothing.
  if (sheet.pool > 1 && isSigned(kind)) return null;
  const data = new Float32Array(n * n);
  const counts = new Float32Array(n * n);
  for (let layer = 0; layer < layers; layer++) {
    if (kind.average === "layer" && layer !== head.layer) continue;
    for (let index = 0; index < heads; index++) {
      const one = sheet.of(layer, index).data;
      for (let i = 0; i < data.length; i++) {
        const value = one[i] ?? Number.NaN;
        if (Number.isNaN(value)) continue;
        data[i] = (data[i] ?? 0) + value;
        counts[i] = (counts[i] ?? 0) + 1;
      }
    }
  }
  // Without a value anywhere the division gives NaN: absent.
  for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) / (counts[i] ?? 0);
  return { shape: [n, n], data };
}

/** A cell's weight, NaN where it is not known, and whether it is exact. */
export interface KnownWeight {
  value: number;
  exact: boolean;
}

/** The weight of a cell; NaN when only the largest of its block is known. */
export function weightAt(picture: Picture | null, q: number, k: number): KnownWeight {
  const part = picture?.part ?? null;
  const exact = isInside({ q0: q, k0: k, span: 1 }, part);
  const tile = exact ? part : picture;
  const value = tile?.pool === 1 ? at(tile.values, q - tile.q0, k - tile.k0) : Number.NaN;
  return { value, exact: exact || picture?.exact === true };
}

/** What is drawn, one over the other. */
export function tilesOf(picture: Picture | null): Tile[] {
  return [picture, picture?.part].filter((tile) => tile != null);
}

/** What one token attends to (`from`), or what attends to it; null where only blocks are known. */
export function lineOf(picture: Picture | null, pos: number, from: boolean): Float32Array | null {
  if (picture?.pool !== 1) return null;
  const { values } = picture;
  const [n = 0] = values.shape;
  if (from) return values.data.subarray(pos * n, (pos + 1) * n);
  return Float32Array.from({ length: n }, (_, query) => at(values, query, pos));
}
