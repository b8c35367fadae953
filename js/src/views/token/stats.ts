// The numbers of one prompt, decoded once for each reply.

import { decode } from "../../core/state/arrays";
import type { Accuracy, TokenInfo, TokenStatsResult } from "../../generated/protocol";

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
  /** Of all prompts together. */
  accuracy: Accuracy;
  /** The most probable next tokens at a position, best first. */
  top(pos: number): Prediction[];
}

export function readStats(result: TokenStatsResult, buffers: readonly DataView[]): TokenStats {
  const probs = decode(result.top_probs, buffers);
  const k = probs.shape[1] ?? 0;
  return {
    tokens: result.tokens.tokens,
    loss: decode(result.loss, buffers).data,
    baselineLoss: decode(result.baseline_loss, buffers).data,
    prob: decode(result.prob, buffers).data,
    rank: decode(result.rank, buffers).data,
    baselineRank: decode(result.baseline_rank, buffers).data,
    accuracy: result.accuracy,
    top(pos) {
      const texts = result.top_tokens[pos] ?? [];
      return texts.map((token, i) => ({ token, prob: probs.data[pos * k + i] ?? Number.NaN }));
    },
  };
}
