import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { fixed, signed } from "../../core/draw/format";
import { Button } from "../../core/parts/ui";
import type { ViewHandle } from "../../core/state/handle";
import type { Resource } from "../../core/state/resource";
import { RpcError } from "../../core/state/rpc";
import type { LensCellResult, LensToken, Methods, TokenInfo } from "../../generated/protocol";

/** The likeliest tokens of the chosen cell, before and after, each of which can be followed. */
export function CellCard(props: {
  handle: ViewHandle;
  loaded: Resource<Methods["lens_cell"]>;
  changed: boolean;
  words: (pos: number) => string;
  pins: readonly number[];
  onPin: (token: TokenInfo) => void;
}): JSX.Element {
  const { handle, loaded, changed, words, pins, onPin } = props;
  const { result } = loaded;
  return (
    <section class="lw-lens-part lw-lens-cell" data-stale={loaded.stale}>
      <header class="lw-lens-head">
        <h4>
          {result ? (
            <>
              <span class="lw-mono">{result.stage}</span> at{" "}
              <span class="lw-mono lw-token-text">{words(result.pos)}</span>
            </>
          ) : (
            "Top tokens"
          )}
        </h4>
        {result && (
          <span class="lw-muted lw-num" data-lens-kl={result.current_kl}>
            KL to the end {fixed(result.current_kl, 3)} nats
            {changed && ` (${signed(result.current_kl - result.baseline_kl, 3)})`}
          </span>
        )}
      </header>
      {result && <Predictions result={result} changed={changed} pins={pins} onPin={onPin} />}
      <PinText handle={handle} onPin={onPin} />
    </section>
  );
}

function Predictions(props: {
  result: LensCellResult;
  changed: boolean;
  pins: readonly number[];
  onPin: (token: TokenInfo) => void;
}): JSX.Element {
  const { result, changed, pins, onPin } = props;
  const { predictions, target } = result;
  const listed = target && predictions.some(({ token }) => token.id === target.token.id);
  const rows = target && !listed ? [...predictions, target] : predictions;
  return (
    <table class="lw-lens-top lw-num" aria-label={`likeliest tokens of ${result.stage}`}>
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
        {rows.map((row) => (
          <Prediction
            key={row.token.id}
            row={row}
            changed={changed}
            target={row.token.id === target?.token.id}
            pinned={pins.includes(row.token.id)}
            onPin={onPin}
          />
        ))}
      </tbody>
    </table>
  );
}

function Prediction(props: {
  row: LensToken;
  changed: boolean;
  target: boolean;
  pinned: boolean;
  onPin: (token: TokenInfo) => void;
}): JSX.Element {
  const { row, changed, target, pinned, onPin } = props;
  const { token, current, baseline, current_rank } = row;
  return (
    <tr data-token-id={token.id} data-target={target}>
      <th scope="row" class="lw-mono lw-token-text" title={target ? "the target" : undefined}>
        {token.text}
      </th>
      <td data-column="rank" data-value={current_rank}>
        {current_rank}
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
      const answer = await handle.rpc.request(`${handle.name}/token`, seq, "lens_token", { text });
      setError("");
      setText("");
      onPin(answer.result);
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
      <Button label="follow" disabled={text === ""} onClick={() => void pin()} />
      {error && (
        <span class="lw-lens-error" role="alert">
          {error}
        </span>
      )}
    </form>
  );
}
