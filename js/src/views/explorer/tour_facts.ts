import { parseHead } from "../../core/draw/format";
import type { Dataset } from "../../core/state/dataset";
import type { ViewSession } from "../../core/state/session";
import type { Predictions } from "../../generated/ablation";
import type { Rows } from "../../generated/attribution";

/** The part of the explorer that a step is about. */
export type Region = "top" | "heads" | "pattern" | "attribution" | "switched" | "tabs";

/** What the tour says, read from the numbers on screen. */
export interface Facts {
  /** The head with the largest direct effect in the metric's favour. */
  head: string;
  effect: { baseline: number; current: number };
  /** How many heads there are. */
  count: number;
  metric: { name: string; units: string; baseline: number | null; current: number | null };
  /** The prompt's last token. */
  before: string;
  likeliest: { before: string; now: string };
  /** Whichever other part adds most more than before; null where none does. */
  backup: { name: string; change: number } | null;
}

/** A change of this share of the head's own effect is worth a word. */
const WORTH_NAMING = 0.02;

/** Null until everything is known. `chosen` is the head of an earlier look, which stays. */
export function factsOf(
  session: ViewSession,
  rows: Dataset<Rows> | null,
  next: Dataset<Predictions> | null,
  tokens: readonly string[],
  chosen: string,
): Facts | null {
  const metric = session.metric.value;
  if (!rows || !next || !metric || tokens.length === 0) return null;
  const names = rows.texts("component");
  const baseline = rows.numbers("baseline");
  const current = rows.numbers("current");
  const heads = names.flatMap((name, index) => (parseHead(name) ? [index] : []));
  const value = (index: number) => baseline[index] ?? 0;
  const best = chosen
    ? names.indexOf(chosen)
    : heads.reduce((most, index) => (value(index) > value(most) ? index : most), heads[0] ?? -1);
  const head = names[best];
  if (head === undefined) return null;
  const change = (index: number) => (current[index] ?? 0) - value(index);
  const others = names.flatMap((_, index) => (index === best ? [] : [index]));
  const most = others.reduce((a, b) => (change(b) > change(a) ? b : a), others[0] ?? best);
  const named = change(most) > WORTH_NAMING * Math.abs(value(best));
  const texts = next.texts("token");
  const likeliest = (which: "baseline" | "current") => {
    const values = next.numbers(which);
    return texts[values.indexOf(Math.max(...values))] ?? "";
  };
  return {
    head,
    effect: { baseline: value(best), current: current[best] ?? 0 },
    count: heads.length,
    metric: {
      name: metric.metric,
      units: metric.units,
      baseline: metric.baseline,
      current: metric.current,
    },
    before: tokens.at(-1) ?? "",
    likeliest: { before: likeliest("baseline"), now: likeliest("current") },
    backup: named ? { name: names[most] ?? "", change: change(most) } : null,
  };
}
