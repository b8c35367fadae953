// Every head's scores as comma-separated values, with what ablating it adds to the loss.

import { headLabel } from "../../core/draw/format";
import { csv } from "../../core/export/csv";

/** Arrays [kind, layer, head] as the view shows them. */
export interface Scores {
  kinds: readonly string[];
  before: Float32Array;
  now: Float32Array;
  sem: Float32Array;
}

/** One line a head and kind. The loss column is empty until that map was asked for. */
export function toCsv(
  { kinds, before, now, sem }: Scores,
  heads: number,
  loss: { kind: string; values: Float32Array } | null,
): string {
  const size = kinds.length > 0 ? now.length / kinds.length : 0;
  const header = ["head", "layer", "score", "baseline", "current", "sem"];
  if (loss) header.push(`loss_change_nats_${loss.kind}_ablation`);
  const rows = Array.from(now, (value, i) => {
    const at = i % size;
    const [layer, head] = [Math.floor(at / heads), at % heads];
    const row = [
      headLabel(layer, head),
      layer,
      kinds[Math.floor(i / size)],
      before[i],
      value,
      sem[i],
    ];
    return loss ? [...row, loss.values[at]] : row;
  });
  return csv(header, rows);
}
