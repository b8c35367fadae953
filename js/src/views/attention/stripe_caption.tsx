import type { JSX } from "preact";
import { headLabel, signed, weight } from "../../core/draw/format";
import type { HeadRef } from "../../core/state/session";
import { type Kind, shownName } from "./kind";
import type { Stripe } from "./stripe";

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
