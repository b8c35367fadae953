import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { quote, signed } from "../../core/draw/format";
import { type RankedItem, RankedList } from "../../core/parts/ranked/ranked";
import { Button } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/weight_circuit";
import { entries } from "./entries";

/** Finds a token by its text and shows the largest and the smallest entries of its row. */
export function RowPanel(props: {
  handle: ViewHandle;
  choice: ask.CircuitChoice;
  row: number | null;
  topK: number;
  searchable: boolean;
  onRow: (row: number) => void;
  onEntry: (row: number, col: number) => void;
}): JSX.Element {
  const { handle, choice, row, topK, searchable, onRow, onEntry } = props;
  const { data } = useAnswer(handle, ask.row, row === null ? null : { choice, row, top_k: topK }, {
    on: "prompts",
  });
  const result = data?.attrs;
  const [highest, lowest] = useMemo(() => {
    if (!data) return [[], []];
    const lists = {
      ids: data.numbers("column"),
      texts: data.texts("column_label"),
      values: data.numbers("value"),
      length: data.dims.rank ?? 0,
    };
    return [entries(lists, 0), entries(lists, 1)];
  }, [data]);
  const largest = Math.max(0, ...[...highest, ...lowest].map(({ value }) => Math.abs(value)));
  const list = (title: string, items: readonly RankedItem[]) => (
    <RankedList
      title={title}
      hi={largest}
      digits={4}
      items={items}
      onPick={(item) => result && onEntry(result.row, Number(item.id))}
    />
  );
  return (
    <div class="lw-circuit-row">
      {searchable && <TokenSearch handle={handle} choice={choice} onRow={onRow} />}
      {result && (
        <>
          <p class="lw-said lw-num" data-row={result.row} data-own={result.own}>
            row <span class="lw-mono">{quote(result.row_label)}</span>: its own column{" "}
            {signed(result.own, 4)}, place {result.own_rank + 1}
          </p>
          <div class="lw-columns">
            {list("largest in the row", highest)}
            {list("smallest in the row", lowest)}
          </div>
        </>
      )}
    </div>
  );
}

function TokenSearch(props: {
  handle: ViewHandle;
  choice: ask.CircuitChoice;
  onRow: (row: number) => void;
}): JSX.Element {
  const { handle, choice, onRow } = props;
  const [text, setText] = useState("");
  const { data } = useAnswer(handle, ask.find, text === "" ? null : { choice, text }, {
    on: "prompts",
    quiet: true,
  });
  const ids = text === "" ? undefined : data?.numbers("token_id");
  const found = Array.from(ids ?? [], (id, i) => ({ id, text: data?.texts("token")[i] ?? "" }));
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
        {text !== "" && data && found.length === 0 && (
          <span class="lw-muted">no token contains that</span>
        )}
      </div>
    </div>
  );
}
