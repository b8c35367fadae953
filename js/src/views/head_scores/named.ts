/** Heads whose score reaches a threshold, by the stripe they attend along. Pure. */

export interface NamedHead {
  kind: string;
  layer: number;
  head: number;
  value: number;
}

/** How many heads of a kind are listed before somebody asks for all of them. */
export const LISTED = 3;

/** Highest first, from scores [kind, layer, head]; a NaN reaches no threshold. */
export function namedHeads(
  scores: Float32Array,
  kinds: readonly string[],
  heads: number,
  threshold: number,
): NamedHead[] {
  const size = kinds.length > 0 ? scores.length / kinds.length : 0;
  const found: NamedHead[] = [];
  scores.forEach((value, index) => {
    if (!(value >= threshold)) return;
    const at = index % size;
    const kind = kinds[Math.floor(index / size)] ?? "";
    found.push({ kind, layer: Math.floor(at / heads), head: at % heads, value });
  });
  return found.sort((a, b) => b.value - a.value);
}

/** Of one kind the heads that are listed, and how many are left out. */
export function listedOf(
  named: readonly NamedHead[],
  kind: string,
  all: boolean,
): { heads: readonly NamedHead[]; more: number } {
  const own = named.filter((one) => one.kind === kind);
  const heads = all ? own : own.slice(0, LISTED);
  return { heads, more: own.length - heads.length };
}
