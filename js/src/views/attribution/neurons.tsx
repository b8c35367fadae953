import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { change, fixed, signed } from "../../core/draw/format";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import { neurons as askNeurons, type EffectNumbers } from "../../generated/attribution";
import { EffectBar } from "./cells";
import { barScale, digitsFor, type Scale } from "./layout";
import { effectsAt } from "./rows";

/** How many neurons of an MLP are listed. */
export const TOP_K = 12;

/** The neurons of one MLP that matter most, and what the rest of it adds. */
export function Neurons(props: {
  view: ViewHandle;
  layer: number;
  /** Null for the mean over prompts. */
  prompt: number | null;
  pos: number | null;
}): JSX.Element | null {
  const { view, layer, prompt, pos } = props;
  const loaded = useAnswer(view, askNeurons, { layer, prompt, pos, k: TOP_K });
  const { data } = loaded;
  const rows = useMemo(() => {
    if (!data) return [];
    const activations = data.numbers("activation");
    return Array.from(data.numbers("neuron"), (neuron, at) => ({
      neuron,
      activation: activations[at],
      ...effectsAt(data, at),
    }));
  }, [data]);
  const scale = useMemo(
    () => barScale(data ? [...rows, data.attrs.others, data.attrs.bias] : []),
    [data, rows],
  );
  if (data?.attrs.layer !== layer) return null;
  const { n_neurons, others, bias } = data.attrs;
  const digits = digitsFor(scale.lo, scale.hi);
  const hidden = n_neurons - rows.length;
  return (
    <div class="lw-attr-neurons" data-stale={loaded.stale}>
      <p class="lw-attr-detail-head lw-muted">
        <span>
          the {rows.length} of {n_neurons} neurons that matter most
        </span>
        <span>activation · effect · change</span>
      </p>
      <ol class="lw-attr-neuron-list">
        {rows.map((row) => (
          <li key={row.neuron} class="lw-attr-neuron" data-neuron={row.neuron} {...numbers(row)}>
            <span class="lw-mono">n{row.neuron}</span>
            <span class="lw-num lw-muted" data-activation={row.activation ?? ""}>
              {fixed(row.activation)}
            </span>
            <Effect row={row} scale={scale} digits={digits} />
          </li>
        ))}
        {hidden > 0 && (
          <li class="lw-attr-neuron" data-neuron="others" {...numbers(others)}>
            <span class="lw-muted">the other {hidden}</span>
            <span />
            <Effect row={others} scale={scale} digits={digits} />
          </li>
        )}
        <li class="lw-attr-neuron" data-neuron="bias" {...numbers(bias)}>
          <span class="lw-muted">output bias</span>
          <span />
          <Effect row={bias} scale={scale} digits={digits} />
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
