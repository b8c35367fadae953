/** Pairs of heads in a map of sources by destinations. Pure. */

import { headLabel } from "../../core/draw/format";
import type { Dataset } from "../../core/state/dataset";
import type { HeadRef } from "../../core/state/session";
import type { LayerPairs } from "../../generated/composition";

export interface Pair {
  writer: HeadRef;
  reader: HeadRef;
  value: number;
}

/** Names of the heads of some layers, in their order. */
export function headNames(firstLayer: number, nLayers: number, nHeads: number): string[] {
  return Array.from({ length: nLayers * nHeads }, (_, i) =>
    headLabel(firstLayer + Math.floor(i / nHeads), i % nHeads),
  );
}

/** Names of some layers, in their order. */
export function layerNames(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `L${first + i}`);
}

/** The pairs that the kernel found to be the strongest of all. */
export function readPairs(data: Dataset<LayerPairs>): Pair[] {
  const read = (name: LayerPairs["numbers"]) => data.numbers(name);
  const [layers, heads] = [read("writer_layer"), read("writer_head")];
  const [readers, readerHeads] = [read("reader_layer"), read("reader_head")];
  return Array.from(read("score"), (value, i) => ({
    writer: { layer: layers[i] ?? 0, head: heads[i] ?? 0 },
    reader: { layer: readers[i] ?? 0, head: readerHeads[i] ?? 0 },
    value,
  }));
}

export function pairAt(row: number, col: number, dstLayer: number, nHeads: number) {
  const head = (index: number, layer: number): HeadRef => ({
    layer: layer + Math.floor(index / nHeads),
    head: index % nHeads,
  });
  return { writer: head(row, 0), reader: head(col, dstLayer) };
}

/** The pairs with the largest scores, largest first; those without a score left out. */
export function strongest(
  scores: Float32Array,
  cols: number,
  dstLayer: number,
  nHeads: number,
  k: number,
): Pair[] {
  const found: { index: number; value: number }[] = [];
  for (let index = 0; index < scores.length; index++) {
    const value = scores[index] ?? Number.NaN;
    const last = found[found.length - 1];
    if (Number.isNaN(value) || (found.length === k && last && value <= last.value)) continue;
    let at = found.length;
    while (at > 0 && (found[at - 1]?.value ?? 0) < value) at--;
    found.splice(at, 0, { index, value });
    if (found.length > k) found.pop();
  }
  return found.map(({ index, value }) => ({
    ...pairAt(Math.floor(index / cols), index % cols, dstLayer, nHeads),
    value,
  }));
}
