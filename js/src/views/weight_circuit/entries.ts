// Ranked tokens (or positions) of an answer as the items of a list. Pure.

import type { RankedItem } from "../../core/parts/ranked/ranked";

/** Variables that rank tokens along their last dimension, of `length` each; one list of them. */
export interface Lists {
  ids: ArrayLike<number>;
  texts: readonly string[];
  values: ArrayLike<number>;
  length: number;
}

/** The `number`th list. */
export function entries({ ids, texts, values, length }: Lists, number: number): RankedItem[] {
  return Array.from({ length }, (_, place) => {
    const at = number * length + place;
    const id = ids[at] ?? -1;
    return {
      id: String(id),
      text: texts[at] ?? "",
      value: values[at] ?? Number.NaN,
      attributes: { "data-token-id": id },
    };
  });
}
