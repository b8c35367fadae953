import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { quote, signed } from "../../core/draw/format";
import { RankedList } from "../../core/parts/ranked/ranked";
import { Button } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useResource } from "../../core/state/resource";
import type { CircuitArgs, Ranked, TokenInfo } from "../../generated/protocol";

/** Finds a token by its text and shows the largest and the smallest entries of its row. */
export function RowPanel(props: {
  handle: ViewHandle;
  circuit: CircuitArgs;
  row: number | null;
  topK: number;
  searchable: boolean;
  onRow: (row: number) => void;
  onEntry: (row: number, col: number) => void;
}): JSX.Element {
  const { handle, circuit, row, topK, searchable, onRow, onEntry } = props;
  const loaded = useResource(
    handle,
    "row",
    "circuit_row",
    row === null ? null : { ...circuit, row, top_k: topK },
    { on: "prompts" },
  );
  const { result } = loaded;
  const largest = Math.max(
    0,
    ...[...(result?.highest ?? []), ...(result?.lowest ?? [])].map(({ value }) => Math.abs(value)),
  );
  const list = (title: string, items: readonly Ranked[]) => (
    <RankedList
      title={title}
      hi={largest}
      digits={4}
      items={items.map(({ token, value }) => entry(token, value))}
      onPick={(item) => result && onEntry(result.row.id, Number(item.id))}
    />
  );
  return (
    <div class="lw-circuit-row">
      {searchable && <TokenSearch handle={handle} circuit={circuit} onRow={onRow} />}
      {result && (
        <>
          <p class="lw-said lw-num" data-row={result.row.id} data-own={result.own}>
            row <span class="lw-mono">{quote(result.row.text)}</span>: its own column{" "}
            {signed(result.own, 4)}, place {result.rank + 1}
          </p>
          <div class="lw-columns">
            {list("largest in the row", result.highest)}
            {list("smallest in the row", result.lowest)}
          </div>
        </>
      )}
    </div>
  );
}

export function entry(token: TokenInfo, value: number) {
  return {
    id: String(token.id),
    text: token.text,
    value,
    attributes: { "data-token-id": token.id } as const,
  };
}

function TokenSearch(props: {
  handle: ViewHandle;
  circuit: CircuitArgs;
  onRow: (row: number) => void;
}): JSX.Element {
  const { handle, circuit, onRow } = props;
  const [text, setText] = useState("");
  const loaded = useResource(
    handle,
    "find",
    "circuit_find",
    text === "" ? null : { ...circuit, text },
    { on: "prompts", quiet: true },
  );
  const found = text === "" ? [] : (loaded.result?.tokens ?? []);
  return (
    <div class="lw-circuit-search">
      <input
        type="search"
        aria-label="search for a token"
        placeholder="search for a token"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") setText("");
          const first = found[0];
          if (event.key === "Enter" && first) flush(() => onRow(first.id));
        }}
      />
      <div class="lw-circuit-found" role="group" aria-label="tokens found">
        {found.slice(0, 24).map((token) => (
          <Button key={token.id} label={`row of ${token.text}`} onClick={() => onRow(token.id)}>
            <span class="lw-mono" data-token-id={token.id}>
              {token.text}
            </span>
          </Button>
        ))}
        {text !== "" && loaded.result && found.length === 0 && (
          <span class="lw-muted">no token contains that</span>
        )}
      </div>
    </div>
  );
}
