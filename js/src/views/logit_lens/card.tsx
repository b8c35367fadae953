import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { fixed, signed } from "../../core/draw/format";
import { Button } from "../../core/parts/ui";
import type { Dataset } from "../../core/state/dataset";
import type { ViewHandle } from "../../core/state/handle";
import { RpcError } from "../../core/state/rpc";
import * as ask from "../../generated/logit_lens";
import type { TokenInfo } from "../../generated/session";
import { stageWords, tokensIn } from "./data";

/** The likeliest tokens of the chosen cell, before and after, each of which can be followed. */
export function CellCard(props: {
  handle: ViewHandle;
  data: Dataset<ask.Cell> | null;
  stale: boolean;
  changed: boolean;
  words: (pos: number) => string;
  pins: readonly number[];
  onPin: (token: TokenInfo) => void;
}): JSX.Element {
  const { handle, data, stale, changed, words, pins, onPin } = props;
  return (
    <section class="lw-lens-part lw-lens-cell" data-stale={stale}>
      <header class="lw-lens-head">
        <h4>
          {data ? (
            <>
              <span class="lw-mono lw-token-text">{words(data.attrs.pos)}</span>{" "}
              {stageWords(data.attrs.stage)}{" "}
              <span class="lw-mono lw-muted" title="as TransformerLens names it">
                {data.attrs.stage}
              </span>
            </>
          ) : (
            "Top tokens"
          )}
        </h4>
        {data && (
          <span class="lw-muted lw-num" data-lens-kl={data.attrs.current_kl}>
            KL from the output {fixed(data.attrs.current_kl, 3)} nats
            {changed && ` (${signed(data.attrs.current_kl - data.attrs.baseline_kl, 3)})`}
          </span>
        )}
      </header>
      {data && <Predictions data={data} changed={changed} pins={pins} onPin={onPin} />}
      <PinText handle={handle} onPin={onPin} />
    </section>
  );
}

function Predictions(props: {
  data: Dataset<ask.Cell>;
  changed: boolean;
  pins: readonly number[];
  onPin: (token: TokenInfo) => void;
}): JSX.Element {
  const { data, changed, pins, onPin } = props;
  const { stage, target_id } = data.attrs;
  const at = (name: "baseline" | "current" | "current_rank", i: number) =>
    data.numbers(name)[i] ?? Number.NaN;
  return (
    <table class="lw-lens-top lw-num" aria-label={`likeliest tokens of ${stage}`}>
      <thead>
        <tr>
          <th scope="col">token</th>
          <th scope="col">rank</th>
          <th scope="col">probability</th>
          {changed && <th scope="col">baseline</th>}
          <th scope="col">follow</th>
        </tr>
      </thead>
      <tbody>
        {tokensIn(data).map((token, i) => (
          <Prediction
            key={token.id}
            token={token}
            current={at("current", i)}
            baseline={at("baseline", i)}
            rank={at("current_rank", i)}
            changed={changed}
            target={token.id === target_id}
            pinned={pins.includes(token.id)}
            onPin={onPin}
          />
        ))}
      </tbody>
    </table>
  );
}

function Prediction(props: {
  token: TokenInfo;
  current: number;
  baseline: number;
  rank: number;
  changed: boolean;
  target: boolean;
  pinned: boolean;
  onPin: (token: TokenInfo) => void;
}): JSX.Element {
  const { token, current, baseline, rank, changed, target, pinned, onPin } = props;
  return (
    <tr data-token-id={token.id} data-target={target}>
      <th scope="row" class="lw-mono lw-token-text" title={target ? "the target" : undefined}>
        {token.text}
      </th>
      <td data-column="rank" data-value={rank}>
        {rank}
      </td>
      <td data-column="current" data-value={current}>
        <span class="lw-lens-bar" style={{ "--lw-share": `${100 * current}%` }}>
          {fixed(current, 4)}
        </span>
      </td>
      {changed && (
        <td data-column="baseline" data-value={baseline} class="lw-muted">
          {fixed(baseline, 4)}
        </td>
      )}
      <td>
        <button
          type="button"
          class="lw-lens-follow"
          aria-pressed={pinned}
          aria-label={`follow ${token.text}`}
          onClick={() => onPin(token)}
        >
          {pinned ? "●" : "○"}
        </button>
      </td>
    </tr>
  );
}

/** Follows a token by its text. */
function PinText(props: { handle: ViewHandle; onPin: (token: TokenInfo) => void }): JSX.Element {
  const { handle, onPin } = props;
  const [text, setText] = useState("");
  const [error, setError] = useState("");
  const pin = async () => {
    if (text === "") return;
    try {
      const seq = handle.nextSeq();
      const answer = await handle.rpc.ask(`${handle.name}/token`, seq, ask.token, { text });
      setError("");
      setText("");
      onPin(answer.attrs);
    } catch (failure) {
      const known = failure instanceof RpcError;
      setError(known ? `${failure.message} ${failure.hint}` : String(failure));
    }
  };
  return (
    <form
      class="lw-lens-add"
      onSubmit={(event) => {
        event.preventDefault();
        void pin();
      }}
    >
      <input
        type="text"
        aria-label="token to follow"
        placeholder="follow a token: ·Mary"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value.replaceAll("·", " "))}
        onKeyDown={(event) => event.stopPropagation()}
      />
      <Button label="follow" asks disabled={text === ""} onClick={() => void pin()} />
      {error && (
        <span class="lw-lens-error" role="alert">
          {error}
        </span>
      )}
    </form>
  );
}
