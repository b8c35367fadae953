import type { JSX } from "preact";
import { palette } from "../../draw/color";
import { fixed, signed } from "../../draw/format";
import { useTheme } from "../../draw/theme";
import { flush } from "../../state/flush";

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

/** A short list of names with their numbers and bars on one scale; the order is the caller's. */
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
  return (
    <section class="lw-ranked">
      <h3 class="lw-ranked-title">{title}</h3>
      <ol class="lw-ranked-list" aria-label={title}>
        {items.map((item) => {
          const share = hi > 0 ? Math.max(-1, Math.min(1, item.value / hi)) : 0;
          const row = (
            <>
              <span
                class="lw-ranked-bar"
                style={{
                  width: `${100 * Math.abs(share)}%`,
                  background: diverging.css(Math.sign(share) * 0.35),
                }}
              />
              <span class="lw-mono lw-ranked-text">{item.text}</span>
              {item.note && <span class="lw-muted lw-ranked-note">{item.note}</span>}
              <span class="lw-num lw-ranked-value">
                {number(item.value, digits)}
                {Number.isFinite(item.error) && (
                  <span class="lw-muted lw-ranked-error"> ± {fixed(item.error, digits)}</span>
                )}
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
