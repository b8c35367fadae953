import type { JSX } from "preact";
import { fixed } from "../../core/draw/format";
import { probText } from "./format";
import type { TokenStats } from "./stats";

/** What the model expects after one token, and what comes. */
export function TokenCard(props: {
  stats: TokenStats;
  pos: number;
  /** Whether interventions are active, so that the loss has something to be compared with. */
  changed: boolean;
  place?: { left: number; top: number } | undefined;
}): JSX.Element {
  const { stats, pos, changed, place } = props;
  const token = stats.tokens[pos];
  const next = stats.tokens[pos + 1];
  const loss = stats.loss[pos] ?? Number.NaN;
  const baseline = stats.baselineLoss[pos] ?? Number.NaN;
  const prob = stats.prob[pos] ?? Number.NaN;
  const rank = stats.rank[pos] ?? Number.NaN;
  const known = next !== undefined && Number.isFinite(loss);
  return (
    <div
      class="lw-token-card"
      role="group"
      aria-label={`token ${pos}`}
      data-lw-card={pos}
      data-floating={place !== undefined}
      style={place && { left: `${place.left}px`, top: `${place.top}px` }}
    >
      <div>
        <div class="lw-token-card-title">
          <span class="lw-mono">{token?.text ?? ""}</span>
          <span class="lw-muted lw-num">
            position {pos} · id {token?.id ?? "–"}
          </span>
        </div>
        <dl class="lw-token-facts lw-num">
          <dt>next token</dt>
          <dd>
            {next ? <span class="lw-mono lw-token-text">{next.text}</span> : "none, the last"}
          </dd>
          <dt>probability</dt>
          <dd data-column="prob" data-value={known ? String(prob) : ""}>
            {known ? probText(prob) : "–"}
          </dd>
          <dt title="0 is the most probable token">rank</dt>
          <dd data-column="rank" data-value={known ? String(rank) : ""}>
            {known ? rank : "–"}
          </dd>
          <dt>loss</dt>
          <dd>
            <span data-column="loss" data-value={known ? String(loss) : ""}>
              {known ? `${fixed(loss, 3)} nats` : "–"}
            </span>
          </dd>
          {known && changed && (
            <>
              <dt>baseline</dt>
              <dd class="lw-muted" data-column="baseline" data-value={String(baseline)}>
                {fixed(baseline, 3)} nats
              </dd>
            </>
          )}
        </dl>
      </div>
      <div class="lw-token-top">
        <div class="lw-muted lw-token-top-title">most probable next</div>
        {stats.top(pos).map((item) => (
          <div
            key={item.token.id}
            class="lw-token-top-row"
            data-top-token={item.token.id}
            data-value={String(item.prob)}
            data-true={next !== undefined && next.id === item.token.id}
          >
            <span class="lw-mono">{item.token.text}</span>
            <span class="lw-token-bar" style={{ width: `${100 * Math.min(1, item.prob || 0)}%` }} />
            <span class="lw-num">{probText(item.prob)}</span>
          </div>
        ))}
      </div>
    </div>
  );
}
