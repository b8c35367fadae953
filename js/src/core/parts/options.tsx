import type { JSX } from "preact";
import { useContext } from "preact/hooks";
import { flush } from "../state/flush";
import { Columns } from "./columns";
import { type Choice, Segmented } from "./ui";

/** What a choice is read from and written to: an option of the view, or a setting of the session. */
interface Chosen<T> {
  value: T;
}

/** An option of few values as joined buttons; `of` is what `session.option` gives. */
export function OptionButtons<T extends string>(props: {
  label: string;
  of: Chosen<T>;
  choices: readonly Choice<T>[];
}): JSX.Element {
  const { label, of, choices } = props;
  return (
    <Segmented
      label={label}
      options={choices}
      value={of.value}
      onChange={(value) => {
        of.value = value;
      }}
    />
  );
}

/** The same in a list that opens, in the explorer's columns, where buttons in a row have no room. */
export function OptionChoice<T extends string>(props: {
  label: string;
  of: Chosen<T>;
  choices: readonly Choice<T>[];
  /** Always a list, where there is a line of its own for nothing. */
  compact?: boolean;
}): JSX.Element {
  const { label, of, choices, compact = false } = props;
  if (useContext(Columns) === null && !compact) return <OptionButtons {...props} />;
  return (
    <select
      class="lw-select"
      aria-label={label}
      title={label}
      value={of.value}
      onChange={(event) => {
        const chosen = choices.find(({ value }) => value === event.currentTarget.value);
        if (chosen) {
          flush(() => {
            of.value = chosen.value;
          });
        }
      }}
    >
      {choices.map(({ value, label: text }) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  );
}

/** An option that is on or off, as two joined buttons; `on` names the one that means on. */
export function FlagButtons<T extends string>(props: {
  label: string;
  of: Chosen<boolean>;
  choices: readonly [Choice<T>, Choice<T>];
  on: NoInfer<T>;
}): JSX.Element {
  const { label, of, choices, on } = props;
  const [first, second] = choices;
  const off = first.value === on ? second.value : first.value;
  return (
    <Segmented
      label={label}
      options={choices}
      value={of.value ? on : off}
      onChange={(value) => {
        of.value = value === on;
      }}
    />
  );
}

export const SCOPES = [
  { value: "mean", label: "all prompts", title: "mean over the prompts" },
  { value: "selected", label: "this prompt", title: "the selected prompt only" },
] as const;

export const RUNS = [
  { value: "baseline", label: "baseline", title: "without interventions" },
  { value: "current", label: "current", title: "with the interventions" },
  { value: "difference", label: "difference", title: "current minus baseline" },
] as const;

export const ABLATION_KINDS = [
  { value: "zero", label: "zero", title: "the part's output becomes zero" },
  { value: "mean", label: "mean", title: "its mean over the session's prompts and positions" },
  { value: "resample", label: "resample", title: "its value on the corrupted prompts" },
] as const;
