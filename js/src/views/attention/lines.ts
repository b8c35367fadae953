import { useEffect, useMemo, useState } from "preact/hooks";
import { decode, at as valueAt } from "../../core/arrays";
import type { ViewHandle } from "../../core/handle";
import { useResource } from "../../core/resource";
import type { HeadRef } from "../../core/session";
import type { Kind } from "./kind";
import { type Picture, weightAt } from "./picture";
import type { Picked } from "./state";

const REST_MS = 60;

/**
 * The weight under the cursor. Patterns too long for one message come rounded; the exact row and
 * column through a cell are then asked for when the cursor rests on it.
 */
export function useExactCell(
  view: ViewHandle,
  slot: string,
  head: HeadRef | null,
  prompt: number,
  kind: Kind,
  picture: Picture | null,
  at: Picked,
  isPreview: boolean,
): { value: number; exact: boolean } {
  const { q, k } = at;
  const needed = head !== null && picture !== null && !picture.exact && !isPreview;
  const resting = useRested(needed && q !== null && k !== null ? `${q},${k}` : "");
  const ask = needed && q !== null && k !== null && resting === `${q},${k}`;
  const lines = useResource(
    view,
    slot,
    "pattern_lines",
    ask
      ? {
          prompt,
          which: kind.which,
          attention_mode: kind.mode,
          head_average: kind.average,
          ...head,
          query_pos: q,
          key_pos: k,
        }
      : null,
    { quiet: true },
  );
  const { result, buffers, args, stale } = lines;
  const row = useMemo(() => result && decode(result.row, buffers), [result, buffers]);
  const answers = ask && !stale && args?.query_pos === q && args.key_pos === k;
  if (row && answers) return { value: valueAt(row, k), exact: true };
  return {
    value: q === null || k === null ? Number.NaN : weightAt(picture, q, k),
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
