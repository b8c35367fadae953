import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fixed } from "../../core/draw/format";
import { type RankedItem, RankedList } from "../../core/parts/ranked/ranked";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/weight_circuit";
import { entries } from "./entries";

/** The singular values of a circuit as bars, and the tokens at the ends of one direction. */
export function Spectrum(props: {
  handle: ViewHandle;
  choice: ask.CircuitChoice;
  topK: number;
}): JSX.Element | null {
  const { handle, choice, topK } = props;
  const [chosen, setDirection] = useState(0);
  const spectrum = useAnswer(handle, ask.spectrum, { choice }, { on: "prompts" });
  const values = spectrum.data?.numbers("singular_value") ?? null;
  const direction = Math.min(chosen, Math.max(0, (values?.length ?? 1) - 1));
  const { data: found } = useAnswer(
    handle,
    ask.direction,
    values ? { choice, direction, top_k: topK } : null,
    { on: "prompts" },
  );
  // By side, then by end, in the order in which the answer has them.
  const [rowsHigh = [], rowsLow = [], columnsHigh = [], columnsLow = []] = useMemo(() => {
    if (!found) return [];
    const lists = {
      ids: found.numbers("token_id"),
      texts: found.texts("token"),
      values: found.numbers("value"),
      length: found.dims.rank ?? 0,
    };
    return [0, 1, 2, 3].map((number) => entries(lists, number));
  }, [found]);
  if (!values) return null;
  const hi = values[0] ?? 1;
  const list = (title: string, items: readonly RankedItem[]) => (
    <RankedList title={title} hi={Math.abs(items[0]?.value ?? 1)} digits={4} items={items} />
  );
  return (
    <section class="lw-circuit-spectrum" aria-label="singular values">
      <p class="lw-said lw-num">
        singular value {direction + 1} of {values.length}: {fixed(values[direction], 4)}
      </p>
      <div
        class="lw-circuit-bars"
        role="img"
        aria-label="singular values, largest first"
        // The slider below is the same for keys.
        onPointerDown={(event) => {
          const bar =
            event.target instanceof Element ? event.target.closest("[data-direction]") : null;
          if (bar) flush(() => setDirection(Number(bar.getAttribute("data-direction"))));
        }}
      >
        {Array.from(values, (value, i) => (
          <span
            // Directions are numbered: a number is the identity.
            key={i}
            class="lw-circuit-bar"
            data-direction={i}
            data-value={String(value)}
            data-chosen={i === direction}
            title={`${i + 1}: ${fixed(value, 4)}`}
          >
            <span style={{ height: `${(100 * value) / (hi || 1)}%` }} />
          </span>
        ))}
      </div>
      <input
        type="range"
        class="lw-circuit-slider"
        aria-label="singular direction"
        min={0}
        max={values.length - 1}
        value={direction}
        onInput={(event) => {
          const to = Number(event.currentTarget.value);
          flush(() => setDirection(to));
        }}
      />
      {found && (
        <div class="lw-columns">
          {list("largest rows", rowsHigh)}
          {list("largest columns", columnsHigh)}
          {list("smallest rows", rowsLow)}
          {list("smallest columns", columnsLow)}
        </div>
      )}
    </section>
  );
}
