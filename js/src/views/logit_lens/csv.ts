// A window of the lens as comma-separated values, at the full precision of the numbers.

import { csv } from "../../core/export/csv";
import type { LensResult } from "../../generated/protocol";
import type { LensWindow } from "./data";

const HEADER = [
  ...["show", "stage", "layer", "pos", "token", "top_token_id", "top_token"],
  ...["baseline_top_token", "prob", "target", "target_rank", "target_prob", "kl_nats"],
];

/** One line a cell, stages in the order shown. Missing values are empty fields. */
export function toCsv(result: LensResult, window: LensWindow): string {
  const { start, count } = window;
  const rows = window.stages.flatMap((stage, row) =>
    Array.from({ length: count }, (_, col) => {
      const at = row * count + col;
      return [
        ...[result.which, stage, window.layers[row], start + col],
        ...[result.tokens.tokens[start + col]?.text, window.token[at]?.id, window.token[at]?.text],
        ...[window.was[at]?.text, window.prob[at], result.targets[col]?.text],
        ...[window.rank[at], window.targetProb[at], window.kl[at]],
      ];
    }),
  );
  return csv(HEADER, rows);
}
