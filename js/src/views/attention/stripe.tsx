import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { headLabel, signed, weight } from "../../core/draw/format";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { HeadRef, ViewSession } from "../../core/state/session";
import { STRIPES, type StripeKind, stripeKind } from "../../core/state/stripes";
import * as ask from "../../generated/attention";
import { type Kind, shownName } from "./kind";
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

/** What the outlined cells are, and the heads' mean weight on them; or why there are none. */
export function StripeCaption(props: {
  stripe: Stripe;
  kind: Kind;
  heads: readonly HeadRef[];
  shape: { layers: number; heads: number };
  /** Whether the session has several prompts. */
  several: boolean;
}): JSX.Element {
  const { stripe, kind, heads, shape, several } = props;
  const { cells } = stripe;
  const { n_with, definition } = stripe.told;
  const difference = kind.which === "difference";
  const number = difference ? (x: number) => signed(x, 4) : weight;
  const over = `over ${n_with} ${n_with === 1 ? "prompt" : "prompts"}`;
  const told = n_with > 0 ? heads : [];
  return (
    <p
      class="lw-pattern-note lw-num"
      data-lw-stripe={stripe.kind}
      data-cells={cells.length}
      aria-live="polite"
    >
      {stripe.told.missing ||
        (difference
          ? `Change of the ${definition} (outlined):`
          : `${capitalised(definition)} (outlined):`)}
      {told.map((head) => {
        const [here, mean] = [stripe.here, stripe.mean].map((values) =>
          onStripe(values, kind, head, shape),
        );
        const name = shownName(head, kind.average);
        return (
          <span
            key={headLabel(head.layer, head.head)}
            data-stripe-of={name}
            data-value={cells.length > 0 ? String(here) : undefined}
            data-mean={String(mean)}
          >
            {" "}
            <span class="lw-mono">{name}</span>{" "}
            {cells.length > 0 && (
              <>
                <b>{number(here ?? Number.NaN)}</b>
                {several && " in this prompt, "}
              </>
            )}
            {(several || cells.length === 0) && `${number(mean ?? Number.NaN)} ${over}`}.
          </span>
        );
      })}
    </p>
  );
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The mean weight on the stripe of what is shown: one head, or the mean over its layer or all. */
export function onStripe(
  values: { baseline: Float32Array; current: Float32Array },
  { which, average }: Pick<Kind, "which" | "average">,
  { layer, head }: HeadRef,
  shape: { layers: number; heads: number },
): number {
  const from = { none: layer * shape.heads + head, layer: layer * shape.heads, all: 0 }[average];
  const size = { none: 1, layer: shape.heads, all: shape.layers * shape.heads }[average];
  const mean = (all: Float32Array) =>
    all.subarray(from, from + size).reduce((sum, value) => sum + value, 0) / size;
  if (which === "difference") return mean(values.current) - mean(values.baseline);
  return mean(values[which]);
}
