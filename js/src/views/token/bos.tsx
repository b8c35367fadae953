import type { JSX } from "preact";
import { fixed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { TokenInfo } from "../../generated/session";
import * as ask from "../../generated/token";
import { chipTone, lossTop, sharedPredictions, type TokenColor } from "./format";
import { chipStyle } from "./strip";

const ROWS = ["with", "without"] as const;

/** The same text with BOS above and without it below, token over token, and what that changes. */
export function BosComparison(props: {
  view: ViewHandle;
  prompt: number;
  color: TokenColor;
}): JSX.Element | null {
  const { view, prompt, color } = props;
  const { data } = useAnswer(view, ask.compareBos, { prompt });
  if (!data) return null;
  const loss = data.numbers("loss");
  const rank = data.numbers("rank");
  const ids = data.numbers("token_id");
  const texts = data.texts("token");
  const length = texts.length;
  const top = lossTop(loss);
  const shared = sharedPredictions(loss, rank, length);
  return (
    <section class="lw-token-bos" aria-label="with and without BOS">
      <p class="lw-muted">
        Above with BOS, {length} tokens; below without, {length - 1}. This session has its prompts{" "}
        {data.attrs.own} BOS.
      </p>
      <div class="lw-token-pairs">
        {texts.map((text, pos) => (
          <span key={pos} class="lw-token-pair">
            {ROWS.map((bos, row) => (
              <BosChip
                key={bos}
                bos={bos}
                pos={pos}
                token={bos === "without" && pos === 0 ? null : { id: ids[pos] ?? -1, text }}
                color={color}
                loss={loss[row * length + pos] ?? Number.NaN}
                rank={rank[row * length + pos] ?? -1}
                guessed={pos > 0 && rank[row * length + pos - 1] === 0}
                top={top}
              />
            ))}
          </span>
        ))}
      </div>
      {shared.count > 0 && (
        <p class="lw-num" data-shared={shared.count}>
          Of the {shared.count} tokens that both predict: loss{" "}
          <b data-loss-with={shared.loss[0]}>{fixed(shared.loss[0])}</b> nats with BOS,{" "}
          <b data-loss-without={shared.loss[1]}>{fixed(shared.loss[1])}</b> without; ranked first{" "}
          <b>{shared.hits[0]}</b> with, <b>{shared.hits[1]}</b> without.
        </p>
      )}
    </section>
  );
}

function BosChip(props: {
  bos: (typeof ROWS)[number];
  pos: number;
  token: TokenInfo | null;
  color: TokenColor;
  loss: number;
  rank: number;
  guessed: boolean;
  top: number;
}): JSX.Element {
  const { bos, pos, token, color, loss, rank, guessed, top } = props;
  const theme = useTheme();
  if (token === null) return <span class="lw-token-none" />;
  const tone = chipTone(color, loss, rank, top);
  const fraction = tone.kind === "loss" ? tone.fraction : Number.NaN;
  const known = Number.isFinite(loss);
  return (
    <span
      class="lw-token-twin"
      title={known ? `loss of the next token ${fixed(loss, 3)} nats` : undefined}
      data-bos={bos}
      data-pos={pos}
      data-token-id={token.id}
      data-value={known ? String(loss) : ""}
      data-guessed={guessed}
      style={chipStyle(tone.kind, fraction, theme)}
    >
      {token.text}
    </span>
  );
}
