import { useEffect, useMemo, useState } from "preact/hooks";
import { type NumArray, at as valueAt } from "../../core/state/arrays";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import * as ask from "../../generated/attention";
import { patternArgs } from "./data";
import type { Kind } from "./kind";
import { type Picture, weightAt } from "./picture";
import type { Picked } from "./state";

const REST_MS = 60;
const NOWHERE: Picked = { q: null, k: null };

export interface Lines {
  row: NumArray;
  column: NumArray;
}

/**
 * The exact row and column through a cell. Patterns too long for one message come rounded; these are
 * then asked for when the cursor rests. Of a cell of which only one side is picked, that side's line.
 */
export function useExactLines(
  view: ViewHandle,
  slot: string,
  head: HeadRef | null,
  prompt: number,
  kind: Kind,
  picture: Picture | null,
  at: Picked,
  isPreview: boolean,
): Lines | null {
  const { q, k } = at;
  const needed = head !== null && picture !== null && !picture.exact && !isPreview;
  const here = needed && (q !== null || k !== null) ? `${q},${k}` : "";
  const rests = useRested(here) === here && here !== "";
  const { data, args, stale } = useAnswer(
    view,
    ask.patternLines,
    rests && head
      ? { ...patternArgs(prompt, kind, head), query_pos: q ?? 0, key_pos: k ?? 0 }
      : null,
    { slot, quiet: true },
  );
  const lines = useMemo(
    () => data && { row: data.array("row"), column: data.array("column") },
    [data],
  );
  const answers = rests && !stale && args?.query_pos === (q ?? 0) && args.key_pos === (k ?? 0);
  return answers ? lines : null;
}

/** A cell's weight, NaN where it is not known, and whether it is exact. */
export interface KnownWeight {
  value: number;
  exact: boolean;
}

/** The weight under the cursor, and whether it is exact. */
export function useExactCell(
  ...[view, slot, head, prompt, kind, picture, at, isPreview]: Parameters<typeof useExactLines>
): KnownWeight {
  const { q, k } = at;
  const whole = q !== null && k !== null;
  const cell = whole ? at : NOWHERE;
  const lines = useExactLines(view, slot, head, prompt, kind, picture, cell, isPreview);
  if (lines && whole) return { value: valueAt(lines.row, k), exact: true };
  return {
    value: whole ? weightAt(picture, q, k) : Number.NaN,
    exact: picture?.exact ?? false,
  };
}

/** The value once it stayed the same for a moment. */
function useRested(value: string): string {
  const [rested, setRested] = useState("");
  useEffect(() => {
    if (value === "") return undefined;
    const timer = setTimeout(() => setRested(value), REST_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return rested;
}
