import type { JSX } from "preact";
import { quote } from "../../core/draw/format";
import { type Kind, valueText } from "./kind";
import { elide } from "./layout";
import type { KnownWeight } from "./picture";
import type { Picked } from "./state";

const LONGEST = 16;

/** `“·to” → “·Mary” 0.8713`: what a cell says. */
export function inWords(
  tokens: readonly string[],
  at: Picked,
  weight: KnownWeight,
  kind: Kind,
): string {
  const { q, k } = at;
  if (q === null || k === null) return "";
  return `${name(tokens, q)} → ${name(tokens, k)} ${weightText(weight, kind)}`;
}

/** With a digit less where it came rounded. */
function weightText({ value, exact }: KnownWeight, kind: Kind): string {
  const text = valueText(value, kind);
  return Number.isNaN(value) || exact ? text : `≈ ${text.slice(0, -1)}`;
}

function name(tokens: readonly string[], at: number): string {
  return quote(elide(tokens[at] ?? "", LONGEST));
}

/** The cell under the mouse, or the locked one, in words and with its exact weight. */
export function Readout(props: {
  tokens: readonly string[];
  at: Picked | null;
  value: number;
  exact: boolean;
  kind: Kind;
  label: string | null;
  /** What to say while there is no cell. */
  hint: string;
}): JSX.Element {
  const { tokens, at, value, exact, kind, label, hint } = props;
  if (!at || at.q === null || at.k === null) {
    return (
      <span class="lw-readout lw-muted" data-lw-readout="" aria-live="polite">
        {hint}
      </span>
    );
  }
  const known = !Number.isNaN(value);
  return (
    <span
      class="lw-readout lw-num"
      data-lw-readout={label ?? ""}
      data-query-pos={at.q}
      data-key-pos={at.k}
      data-value={known && exact ? String(value) : undefined}
      aria-live="polite"
      title={`query ${at.q}, key ${at.k}`}
    >
      {label && <b>{`${label} `}</b>}
      <span class="lw-mono lw-token-text">{name(tokens, at.q)}</span>
      <span class="lw-muted">{" → "}</span>
      <span class="lw-mono lw-token-text">{name(tokens, at.k)}</span>{" "}
      <span class="lw-mono lw-readout-value">{weightText({ value, exact }, kind)}</span>
    </span>
  );
}
