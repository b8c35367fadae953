// The numbers of one prompt, beside its tokens.

import type { Dataset } from "../../core/state/dataset";
import type { TokenInfo } from "../../generated/session";
import type { Stats } from "../../generated/token";

export interface Prediction {
  token: TokenInfo;
  prob: number;
}

export interface TokenStats {
  tokens: readonly TokenInfo[];
  loss: Float32Array;
  baselineLoss: Float32Array;
  prob: Float32Array;
  rank: Float32Array;
  baselineRank: Float32Array;
  /** The most probable next tokens at a position, best first. */
  top(pos: number): Prediction[];
}

export function readStats(data: Dataset<Stats>, tokens: readonly TokenInfo[]): TokenStats {
  const probs = data.numbers("top_prob");
  const ids = data.numbers("top_token_id");
  const texts = data.texts("top_token");
  const k = data.dims.top ?? 0;
  return {
    tokens,
    loss: data.numbers("loss"),
    baselineLoss: data.numbers("baseline_loss"),
    prob: data.numbers("prob"),
    rank: data.numbers("rank"),
    baselineRank: data.numbers("baseline_rank"),
    top(pos) {
      return texts.slice(pos * k, (pos + 1) * k).map((text, i) => ({
        token: { id: ids[pos * k + i] ?? -1, text },
        prob: probs[pos * k + i] ?? Number.NaN,
      }));
    },
  };
}
