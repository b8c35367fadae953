import type { JSX, TargetedEvent } from "preact";
import { useRef } from "preact/hooks";

/** The same text with its spaces as elements of their own, of the same width: each shows a dot. */
function Spaces({ text }: { text: string }): JSX.Element {
  return <>{text.split(/( )/).map((part, i) => (part === " " ? <i key={i}> </i> : part))}</>;
}

interface FieldProps {
  label: string;
  value: string;
  invalid: boolean;
  onInput: (value: string) => void;
  onFocus?: () => void;
}

/** One line of text whose spaces can be seen: most answers begin with one. */
export function LineField(props: FieldProps): JSX.Element {
  const { label, value, invalid, onInput, onFocus } = props;
  const dots = useRef<HTMLSpanElement>(null);
  return (
    <label>
      {label}
      <span class="lw-spaced">
        <span ref={dots} class="lw-spaced-dots" aria-hidden="true">
          <Spaces text={value} />
        </span>
        <input
          type="text"
          aria-label={label}
          aria-invalid={invalid}
          autocomplete="off"
          spellcheck={false}
          value={value}
          onFocus={onFocus}
          onInput={(event) => onInput(event.currentTarget.value)}
          onScroll={(event: TargetedEvent<HTMLInputElement>) => {
            if (dots.current) dots.current.scrollLeft = event.currentTarget.scrollLeft;
          }}
        />
      </span>
    </label>
  );
}

/** A text of any length, as tall as it is up to a limit, whose spaces can be seen. */
export function TextField(
  props: FieldProps & { area?: { current: HTMLTextAreaElement | null } },
): JSX.Element {
  const { label, value, invalid, onInput, onFocus, area } = props;
  return (
    <label data-wide="true">
      {label}
      <span class="lw-spaced lw-spaced-text">
        <span class="lw-spaced-dots" aria-hidden="true">
          <Spaces text={value} />
          {/* A last line that is empty has its height too. */}
          {"\u200b"}
        </span>
        <textarea
          ref={area}
          aria-label={label}
          aria-invalid={invalid}
          rows={1}
          spellcheck={false}
          value={value}
          onFocus={onFocus}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      </span>
    </label>
  );
}
