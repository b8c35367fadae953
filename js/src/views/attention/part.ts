import { useEffect, useMemo, useState } from "preact/hooks";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import * as ask from "../../generated/attention";
import { type Kind, patternArgs } from "./kind";
import { type KnownWeight, type Picture, weightAt } from "./picture";
import { type Range, rangeOf } from "./range";
import type { Picked } from "./state";

const REST_MS = 60;

/** Row by row the exact cells of a part of a pattern; null until they are known of just this part. */
export function usePart(
  view: ViewHandle,
  slot: string,
  head: HeadRef | null,
  prompt: number,
  kind: Kind,
  range: Range | null,
): Float32Array | null {
  const args = head && range && { ...patternArgs(prompt, kind, head), ...range };
  const { data, stale } = useAnswer(view, ask.patternPart, args, {
    slot,
    quiet: true,
    kept: false,
  });
  return args && data && !stale ? data.numbers("pattern") : null;
}

/**
 * The exact cells that are picked: one, or a whole row or column. Patterns too long for one message come
 * rounded; what is picked of these is asked for when the cursor rests.
 */
export function usePicked(
  view: ViewHandle,
  slot: string,
  head: HeadRef | null,
  prompt: number,
  kind: Kind,
  picture: Picture | null,
  { q, k }: Picked,
  count: number,
  isPreview: boolean,
): Float32Array | null {
  const needed = picture !== null && !picture.exact && !isPreview && (q !== null || k !== null);
  const range = useMemo(() => (needed ? rangeOf({ q, k }, count) : null), [needed, q, k, count]);
  const rests = useRested(range, REST_MS) === range;
  return usePart(view, slot, head, prompt, kind, rests ? range : null);
}

/** The weight under the cursor, as exact as it is known. */
export function useWeight(
  ...[view, slot, head, prompt, kind, picture, at, count, isPreview]: Parameters<typeof usePicked>
): KnownWeight {
  const { q, k } = at;
  const known = weightAt(picture, q ?? -1, k ?? -1);
  const cell = known.exact || q === null || k === null ? NOWHERE : at;
  const exact = usePicked(view, slot, head, prompt, kind, picture, cell, count, isPreview);
  return exact ? { value: exact[0] ?? Number.NaN, exact: true } : known;
}

const NOWHERE: Picked = { q: null, k: null };

/** The value once it stayed the same for so long; null before. */
export function useRested<T>(value: T | null, ms: number): T | null {
  const [rested, setRested] = useState<T | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms);
    return () => clearTimeout(timer);
  }, [value]);
  return rested;
}
