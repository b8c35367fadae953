import { at, decode, type NumArray, part } from "../../core/arrays";
import type { Resource } from "../../core/resource";
import type { HeadRef } from "../../core/session";
import type { Options } from "../../generated/protocol";

/** The best known numbers of one head's pattern. */
export interface Picture {
  /** [query, key], or its blocks of `pool` x `pool`. */
  values: NumArray;
  pool: number;
  /** Float32 as the model computed it; otherwise rounded to fit a message. */
  exact: boolean;
}

/** The thumbnails' numbers, decoded. */
export interface Sheet {
  patterns: NumArray;
  pool: number;
}

export function readSheet({ result, buffers }: Resource<"patterns">): Sheet | null {
  return result && { patterns: decode(result.patterns, buffers), pool: result.pool };
}

/**
 * What the large pattern shows of a head: the exact reply when it is about this head, else what the
 * thumbnails already know, so that a click is answered in the same frame.
 */
export function pictureOf(
  head: HeadRef,
  prompt: number,
  which: Options["show"],
  sheet: Sheet | null,
  reply: { resource: Resource<"pattern">; values: NumArray | null },
): Picture | null {
  const { args, result } = reply.resource;
  const answers =
    args?.layer === head.layer &&
    args.head === head.head &&
    args.prompt === prompt &&
    args.which === which;
  if (answers && result && reply.values) {
    return { values: reply.values, pool: 1, exact: result.exact };
  }
  if (!sheet || head.layer >= (sheet.patterns.shape[0] ?? 0)) return null;
  return { values: part(sheet.patterns, head.layer, head.head), pool: sheet.pool, exact: false };
}

/** The weight of a cell; NaN when only the largest of its block is known. */
export function weightAt(picture: Picture | null, q: number, k: number): number {
  return picture && picture.pool === 1 ? at(picture.values, q, k) : Number.NaN;
}
