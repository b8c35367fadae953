import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { change, fixed, signed } from "../../core/draw/format";
import type { ViewHandle } from "../../core/state/handle";
import { useResource } from "../../core/state/resource";
import type { EffectNumbers, Options } from "../../generated/protocol";
import { EffectBar } from "./cells";
import { barScale, digitsFor, type Scale } from "./layout";

/** How many neurons of an MLP are listed. */
export const TOP_K = 12;

/** The neurons of one MLP that matter most, and what the rest of it adds. */
export function Neurons(props: {
  view: ViewHandle;
  layer: number;
  scope: Options["scope"];
  prompt: number;
  pos: number | null;
}): JSX.Element | null {
  const { view, layer, scope, prompt, pos } = props;
  const args = { layer, scope, prompt, pos, k: TOP_K };
  const loaded = useResource(view, "neurons", "mlp_neurons", args);
  const { result } = loaded;
  const scale = useMemo(
    () => barScale(result ? [...result.rows, result.others, result.bias] : []),
    [result],
  );
  if (result?.layer !== layer) return null;
  const digits = digitsFor(scale.lo, scale.hi);
  const hidden = result.n_neurons - result.rows.length;
  return (
    <div class="lw-attr-neurons" data-stale={loaded.stale}>
      <p class="lw-attr-detail-head lw-muted">
        <span>
          the {result.rows.length} of {result.n_neurons} neurons that matter most
        </span>
        <span>activation · effect · change</span>
      </p>
      <ol class="lw-attr-neuron-list">
        {result.rows.map((row) => (
          <li key={row.neuron} class="lw-attr-neuron" data-neuron={row.neuron} {...numbers(row)}>
            <span class="lw-mono">n{row.neuron}</span>
            <span class="lw-num lw-muted" data-activation={row.activation ?? ""}>
              {fixed(row.activation)}
            </span>
            <Effect row={row} scale={scale} digits={digits} />
          </li>
        ))}
        {hidden > 0 && (
          <li class="lw-attr-neuron" data-neuron="others" {...numbers(result.others)}>
            <span class="lw-muted">the other {hidden}</span>
            <span />
            <Effect row={result.others} scale={scale} digits={digits} />
          </li>
        )}
        <li class="lw-attr-neuron" data-neuron="bias" {...numbers(result.bias)}>
          <span class="lw-muted">output bias</span>
          <span />
          <Effect row={result.bias} scale={scale} digits={digits} />
        </li>
      </ol>
    </div>
  );
}

function numbers(row: EffectNumbers): Record<`data-${string}`, string | undefined> {
  return {
    "data-value": String(row.current ?? ""),
    "data-baseline": String(row.baseline ?? ""),
    "data-sem": row.current_sem === null ? undefined : String(row.current_sem),
  };
}

function Effect(props: { row: EffectNumbers; scale: Scale; digits: number }): JSX.Element {
  const { row, scale, digits } = props;
  return (
    <>
      <span class="lw-attr-bar" aria-hidden="true">
        <EffectBar row={row} scale={scale} />
      </span>
      <span class="lw-num">{signed(row.current, digits)}</span>
      <span class="lw-num lw-muted">{signed(change(row.baseline, row.current), digits)}</span>
    </>
  );
}
