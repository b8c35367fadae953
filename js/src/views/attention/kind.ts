import { fixed, signed, weight } from "../../core/draw/format";
import type { HeadRef } from "../../core/state/session";
import type { OPTIONS } from "../../generated/attention";
import type { OptionSpec } from "../../wire/question";

export type ValueOf<Spec> = Spec extends OptionSpec<infer T> ? T : never;
type Mode = ValueOf<typeof OPTIONS.attention_mode>;

/** What the numbers of the view are: of which run, of what, averaged over which heads. */
export interface Kind {
  which: ValueOf<typeof OPTIONS.show>;
  mode: Mode;
  average: ValueOf<typeof OPTIONS.head_average>;
}

export const NAMES: Record<Mode, string> = {
  pattern: "attention pattern",
  value: "value-weighted attention",
  scores: "attention scores",
};

const UNITS: Record<Mode, string> = {
  pattern: "attention",
  value: "attention × |value|",
  scores: "score",
};

/** Whether values lie on both sides of zero. */
export function isSigned({ which, mode }: Pick<Kind, "which" | "mode">): boolean {
  return which === "difference" || mode === "scores";
}

export function unitOf({ which, mode }: Pick<Kind, "which" | "mode">): string {
  return which === "difference" ? `Δ ${UNITS[mode]}` : UNITS[mode];
}

/** A cell's number in words. */
export function valueText(value: number, { which, mode }: Pick<Kind, "which" | "mode">): string {
  const digits = mode === "scores" ? 3 : 4;
  if (which === "difference") return signed(value, digits);
  return mode === "scores" ? fixed(value, digits) : weight(value);
}

/** What the large picture is of: "L2H5", "L2" for a layer's mean, "all" for the mean of all heads. */
export function shownName(head: HeadRef, average: Kind["average"]): string {
  if (average === "all") return "all";
  return average === "layer" ? `L${head.layer}` : `L${head.layer}H${head.head}`;
}

export function averageWords(average: Kind["average"], name: string): string {
  if (average === "all") return "mean over all heads";
  return average === "layer" ? `mean over the heads of ${name}` : name;
}

/** What is asked of one pattern, as it is wanted. */
export function patternArgs(prompt: number, { which, mode, average }: Kind, head: HeadRef) {
  return {
    prompt,
    show: which,
    layer: head.layer,
    head: head.head,
    attention_mode: mode,
    head_average: average,
  };
}
