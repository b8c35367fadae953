import { at, decode, type NumArray, part } from "../../core/state/arrays";
import type { Resource } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import type { Methods } from "../../generated/protocol";
import { isSigned, type Kind } from "./kind";

/** The best known numbers of one head's pattern. */
export interface Picture {
  /** [query, key], or its blocks of `pool` x `pool`. */
  values: NumArray;
  pool: number;
  /** Float32 as the model computed it; otherwise rounded to fit a message. */
  exact: boolean;
}

/** The thumbnails' numbers, decoded, and what they are. */
export interface Sheet extends Pick<Kind, "which" | "mode"> {
  /** [layer, head, query, key] */
  patterns: NumArray;
  pool: number;
  definition: string;
  of(layer: number, head: number): NumArray;
}

export function readSheet({ result, buffers }: Resource<Methods["patterns"]>): Sheet | null {
  if (!result) return null;
  const patterns = decode(result.patterns, buffers);
  return {
    patterns,
    pool: result.pool,
    which: result.which,
    mode: result.attention_mode,
    definition: result.definition,
    of: (layer, head) => part(patterns, layer, head),
  };
}

/**
 * What the large pattern shows of a head: the exact reply when it is about this head, else what the
 * thumbnails already know, so that a click is answered in the same frame.
 */
export function pictureOf(
  head: HeadRef,
  prompt: number,
  kind: Kind,
  sheet: Sheet | null,
  reply: { resource: Resource<Methods["pattern"]>; values: NumArray | null },
): Picture | null {
  const { args, result } = reply.resource;
  const answers =
    args?.layer === head.layer &&
    args.head === head.head &&
    args.prompt === prompt &&
    args.which === kind.which &&
    args.attention_mode === kind.mode &&
    args.head_average === kind.average;
  if (answers && result && reply.values) {
    return { values: reply.values, pool: result.pool, exact: result.exact };
  }
  if (!sheet || head.layer >= (sheet.patterns.shape[0] ?? 0)) return null;
  const values =
    kind.average === "none" ? sheet.of(head.layer, head.head) : mean(sheet, head, kind);
  return values && { values, pool: sheet.pool, exact: false };
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

/** The weight of a cell; NaN when only the largest of its block is known. */
export function weightAt(picture: Picture | null, q: number, k: number): number {
  return picture && picture.pool === 1 ? at(picture.values, q, k) : Number.NaN;
}

/** What one token attends to (`from`), or what attends to it; null where only blocks are known. */
export function lineOf(picture: Picture | null, pos: number, from: boolean): Float32Array | null {
  if (picture?.pool !== 1) return null;
  const { values } = picture;
  const [n = 0] = values.shape;
  if (from) return values.data.subarray(pos * n, (pos + 1) * n);
  return Float32Array.from({ length: n }, (_, query) => at(values, query, pos));
}
