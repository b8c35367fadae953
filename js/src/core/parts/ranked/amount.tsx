import type { JSX } from "preact";
import { flush } from "../../state/flush";

const AMOUNTS = [5, 10, 20, 50] as const;

/** How many entries the lists have. */
export function Amount(props: { value: number; onChange: (value: number) => void }): JSX.Element {
  const { value, onChange } = props;
  const known = AMOUNTS.some((amount) => amount === value);
  const amounts = known ? AMOUNTS : [value, ...AMOUNTS];
  return (
    <label class="lw-muted lw-amount">
      top{" "}
      <select
        aria-label="entries in the lists"
        value={value}
        onChange={(event) => {
          const chosen = Number(event.currentTarget.value);
          flush(() => onChange(chosen));
        }}
      >
        {amounts.map((amount) => (
          <option key={amount} value={amount}>
            {amount}
          </option>
        ))}
      </select>
    </label>
  );
}
