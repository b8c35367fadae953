import type { Selection } from "../../generated/messages";

/** A stripe of an attention pattern that has a name. */
export type StripeKind = NonNullable<Selection["stripe"]>;

export const STRIPES = [
  "previous",
  "current",
  "first",
  "induction",
  "duplicate",
] as const satisfies readonly StripeKind[];

/** The kind that a text or a trait's value names; null when it names none. */
export function stripeKind(value: unknown): StripeKind | null {
  return STRIPES.find((kind) => kind === value) ?? null;
}
