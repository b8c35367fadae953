import type { JSX, TargetedKeyboardEvent } from "preact";
import { useState } from "preact/hooks";
import { palette } from "../../draw/color";
import { fixed, signed } from "../../draw/format";
import { useTheme } from "../../draw/theme";
import { flush } from "../../state/flush";
import { moveInList } from "../keyboard";

export interface RankedItem {
  /** What tells it apart from the others of its list. */
  id: string;
  text: string;
  value: number;
  /** The value's standard error, where it has one. */
  error?: number | undefined;
  /** Said behind the text, in small: where it was found. */
  note?: string;
  title?: string;
  attributes?: Readonly<Record<`data-${string}`, string | number>>;
  selected?: boolean;
}

/**
 * A short list of names with their numbers and bars on one scale; the order is the caller's. Where items
 * can be picked, one of them takes part in the tab order: arrows, Home and End move among them.
 */
export function RankedList(props: {
  title: string;
  items: readonly RankedItem[];
  /** The value whose bar fills the row. */
  hi: number;
  digits?: number;
  plain?: boolean;
  onPick?: (item: RankedItem) => void;
}): JSX.Element {
  const { title, items, hi, digits = 3, plain, onPick } = props;
  const { diverging } = palette(useTheme());
  const number = plain ? fixed : signed;
  const said = ({ value, error }: RankedItem) => ({
    number: number(value, digits),
    error: Number.isFinite(error) ? ` ± ${fixed(error, digits)}` : "",
  });
  const longest = Math.max(
    0,
    ...items.map(said).map((words) => words.number.length + words.error.length),
  );
  const widest = Math.max(
    0,
    // Notes are in a smaller and narrower font.
    ...items.map(({ text, note }) => text.length + (note ? 1 + note.length * 0.75 : 0)),
  );
  const [focused, setFocused] = useState<string | null>(null);
  const entry =
    items.find(({ id }) => id === focused) ?? items.find(({ selected }) => selected) ?? items[0];
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLOListElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const buttons = [...event.currentTarget.querySelectorAll("button")];
    const { target } = event;
    const index = target instanceof HTMLButtonElement ? buttons.indexOf(target) : -1;
    const to = index < 0 ? null : moveInList(event.key, index, buttons.length);
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    buttons[to]?.focus();
  };
  return (
    <section class="lw-ranked">
      <h3 class="lw-ranked-title">{title}</h3>
      <ol
        class="lw-ranked-list"
        aria-label={title}
        style={{ "--lw-number-ch": longest, "--lw-text-ch": widest }}
        onKeyDown={onKeyDown}
      >
        {items.map((item) => {
          const share = hi > 0 ? Math.max(-1, Math.min(1, item.value / hi)) : 0;
          const words = said(item);
          const row = (
            <>
              <span class="lw-ranked-name">
                <span class="lw-mono lw-ranked-text">{item.text}</span>
                {item.note && <span class="lw-muted lw-ranked-note">{item.note}</span>}
              </span>
              <span class="lw-ranked-track">
                <span
                  class="lw-ranked-bar"
                  style={{
                    width: `${100 * Math.abs(share)}%`,
                    background: diverging.css(Math.sign(share) * 0.5),
                  }}
                />
              </span>
              <span class="lw-num lw-ranked-value">
                {words.number}
                {words.error && <span class="lw-muted lw-ranked-error">{words.error}</span>}
              </span>
            </>
          );
          const common = {
            class: "lw-ranked-item",
            title: item.title,
            "data-value": String(item.value),
            "data-item": item.id,
            "data-error": Number.isFinite(item.error) ? String(item.error) : undefined,
            ...item.attributes,
          };
          return (
            <li key={item.id}>
              {onPick ? (
                <button
                  type="button"
                  {...common}
                  aria-pressed={item.selected ?? false}
                  tabIndex={item === entry ? 0 : -1}
                  onFocus={() => flush(() => setFocused(item.id))}
                  onClick={() => flush(() => onPick(item))}
                >
                  {row}
                </button>
              ) : (
                <div {...common}>{row}</div>
              )}
            </li>
          );
        })}
      </ol>
    </section>
  );
}
