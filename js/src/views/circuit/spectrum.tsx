import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fixed } from "../../core/draw/format";
import { RankedList } from "../../core/parts/ranked/ranked";
import { decode } from "../../core/state/arrays";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useResource } from "../../core/state/resource";
import type { CircuitArgs, Ranked } from "../../generated/protocol";
import { entry } from "./row";

/** The singular values of a circuit as bars, and the tokens at the ends of one direction. */
export function Spectrum(props: {
  handle: ViewHandle;
  circuit: CircuitArgs;
  topK: number;
}): JSX.Element | null {
  const { handle, circuit, topK } = props;
  const [chosen, setDirection] = useState(0);
  const loaded = useResource(handle, "spectrum", "circuit_spectrum", circuit, { on: "prompts" });
  const values = useMemo(
    () => (loaded.result ? decode(loaded.result.values, loaded.buffers).data : null),
    [loaded.result, loaded.buffers],
  );
  const direction = Math.min(chosen, Math.max(0, (values?.length ?? 1) - 1));
  const tokens = useResource(
    handle,
    "direction",
    "circuit_direction",
    values ? { ...circuit, direction, top_k: topK } : null,
    { on: "prompts" },
  );
  if (!values) return null;
  const hi = values[0] ?? 1;
  const found = tokens.result;
  const list = (title: string, items: readonly Ranked[]) => (
    <RankedList
      title={title}
      hi={Math.abs(items[0]?.value ?? 1)}
      digits={4}
      items={items.map(({ token, value }) => entry(token, value))}
    />
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
          {list("rows, positive end", found.row_highest)}
          {list("columns, positive end", found.column_highest)}
          {list("rows, negative end", found.row_lowest)}
          {list("columns, negative end", found.column_lowest)}
        </div>
      )}
    </section>
  );
}
