import type { JSX } from "preact";
import { headLabel, parseHead } from "../../core/draw/format";
import { flush } from "../../core/state/flush";
import type { HeadRef } from "../../core/state/session";

/** One head of the model, layer by layer, in a list; `before` leaves only earlier layers. */
export function HeadChoice(props: {
  label: string;
  layers: number;
  heads: number;
  value: HeadRef | null;
  onChange: (head: HeadRef | null) => void;
}): JSX.Element {
  const { label, layers, heads, value, onChange } = props;
  const names = Array.from({ length: layers * heads }, (_, i) =>
    headLabel(Math.floor(i / heads), i % heads),
  );
  const chosen = value ? headLabel(value.layer, value.head) : "";
  return (
    <select
      class="lw-mono lw-circuit-head"
      aria-label={label}
      title={label}
      value={chosen}
      onChange={(event) => {
        const head = parseHead(event.currentTarget.value);
        flush(() => onChange(head));
      }}
    >
      {!names.includes(chosen) && <option value={chosen}>{chosen || "–"}</option>}
      {names.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}
