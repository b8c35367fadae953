import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { ViewSession } from "../../core/state/session";
import { STRIPES, type StripeKind, stripeKind } from "../../core/state/stripes";
import * as ask from "../../generated/attention";
import type { Cell } from "./layout";

/** Where the chosen kind of score looks in the prompt, and what each head has there. */
export interface Stripe {
  kind: StripeKind;
  cells: readonly Cell[];
  told: ask.Stripe["attrs"];
  /** [layer, head]: of the prompt, and the mean over prompts. */
  here: { baseline: Float32Array; current: Float32Array };
  mean: { baseline: Float32Array; current: Float32Array };
}

/** The stripe that the selection names, once it is known for this prompt. */
export function useStripe(view: ViewHandle, prompt: number): Stripe | null {
  const wanted = view.session.selection.value.stripe ?? null;
  const args = wanted && { prompt, stripe: wanted };
  const { data, args: answered } = useAnswer(view, ask.stripe, args);
  return useMemo(() => {
    // Another prompt's cells would be drawn over the wrong tokens.
    if (!data || answered?.stripe !== wanted || answered.prompt !== prompt) return null;
    const keys = data.numbers("key_pos");
    return {
      kind: answered.stripe,
      told: data.attrs,
      cells: Array.from(data.numbers("query_pos"), (q, i) => ({ q, k: keys[i] ?? 0 })),
      here: { baseline: data.numbers("baseline"), current: data.numbers("current") },
      mean: { baseline: data.numbers("mean_baseline"), current: data.numbers("mean_current") },
    };
  }, [data, answered, wanted, prompt]);
}

/** Which stripe is outlined over the pattern, here and in every linked view. */
export function StripeChoice({ session }: { session: ViewSession }): JSX.Element {
  const chosen = session.selection.value.stripe ?? null;
  return (
    <select
      class="lw-select"
      aria-label="stripe"
      title="outline the cells that a head score is the mean of"
      value={chosen ?? ""}
      onChange={(event) => {
        const stripe = stripeKind(event.currentTarget.value);
        flush(() => session.select({ stripe }));
      }}
    >
      <option value="">outline: none</option>
      {STRIPES.map((kind) => (
        <option key={kind} value={kind}>
          {kind}
        </option>
      ))}
    </select>
  );
}
