import type { JSX, TargetedKeyboardEvent } from "preact";
import { useRef, useState } from "preact/hooks";
import { flush } from "../../state/flush";
import type { PromptToken } from "../../state/tokens";
import { useCachedMarkup } from "../cached_markup";
import { TokenText } from "../ui";
import { isMoveKey, moveAmong } from "./layout";

/** What one token of a strip says and how it is coloured. */
export interface TokenLook {
  /** Said after text and position: "loss 2.31 nats". */
  words?: string | undefined;
  /** As shown; NaN where there is none, undefined where it is not known exactly. */
  value?: number | undefined;
  title?: string | undefined;
  /** The names that its position has, and whether they begin here: written below it. */
  named?: { names: string; begins: boolean } | undefined;
  style?: { background: string; color: string } | undefined;
  attributes?: Record<string, string | undefined> | undefined;
}

export interface TokenStripProps {
  label: string;
  tokens: readonly PromptToken[];
  /** The token that was clicked. It can be let go by another click and by Escape. */
  picked: number | null;
  onPick: (pos: number | null) => void;
  /** The token under the mouse or the focus; null when there is none. */
  onHover?: (pos: number | null, token: HTMLElement | null) => void;
  /** The same function while nothing of what it says changes. Without it tokens are plain. */
  look?: (pos: number) => TokenLook;
  /** Positions to mark: `{ key: 3 }` puts `data-key` on the token at 3. */
  marks?: Readonly<Record<string, number | null>>;
  /** Larger, each with its position. */
  numbered?: boolean;
}

/** How many tokens are rendered together: of 1,024 a hover touches few. */
const RUN = 64;
const LONG = 24;
const ADDED = "put in front by the tokenizer: not in the prompt's text";
const PLAIN = (): TokenLook => ({});

/**
 * A prompt's tokens, wrapped like text. One of them takes part in the tab order, whatever the length:
 * arrows, Home and End move among them, Enter and space pick, Escape lets go. Moving on from the picked
 * token takes the pick along, so that the keyboard alone reads through a prompt.
 */
export function TokenStrip(props: TokenStripProps): JSX.Element {
  const { label, tokens, picked, onPick, onHover, look = PLAIN, marks = {}, numbered } = props;
  const strip = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState(0);
  const entry = Math.max(0, Math.min(picked ?? focused, tokens.length - 1));
  const starts = Array.from({ length: Math.ceil(tokens.length / RUN) }, (_, i) => i * RUN);

  const tokenAt = (pos: number): HTMLElement | null => {
    const token = strip.current?.children.item(pos);
    return token instanceof HTMLElement ? token : null;
  };
  const hover = (target: EventTarget | null) => {
    const pos = posOf(target);
    if (pos !== null) onHover?.(pos, tokenAt(pos));
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const pos = posOf(event.target);
    if (pos === null || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape" && picked !== null) {
      // Goes on to the view, where Escape may let go of more.
      event.preventDefault();
      flush(() => onPick(null));
    } else if (isMoveKey(event.key)) {
      event.preventDefault();
      event.stopPropagation();
      const boxes = Array.from(strip.current?.children ?? [], (el) => el.getBoundingClientRect());
      const to = moveAmong(boxes, pos, event.key);
      flush(() => {
        setFocused(to);
        if (picked === pos && to !== pos) onPick(to);
      });
      tokenAt(to)?.focus();
    }
  };

  return (
    <div
      ref={strip}
      class={numbered ? "lw-tokens lw-tokens-numbered" : "lw-tokens"}
      role="listbox"
      aria-label={label}
      aria-orientation="horizontal"
      tabIndex={-1}
      onKeyDown={onKeyDown}
      onPointerOver={(event) => hover(event.target)}
      onPointerLeave={() => onHover?.(null, null)}
      onFocusIn={(event) => hover(event.target)}
      onFocusOut={() => onHover?.(null, null)}
      onClick={(event) => {
        const pos = posOf(event.target);
        if (pos === null) return;
        flush(() => {
          setFocused(pos);
          onPick(picked === pos ? null : pos);
        });
      }}
    >
      {starts.map((first) => (
        <Run
          key={first}
          {...{ tokens, first, look }}
          numbered={numbered ?? false}
          picked={within(first, picked)}
          entry={within(first, entry)}
          marks={Object.entries(marks)
            .filter(([, pos]) => within(first, pos) !== null)
            .map(([name, pos]) => `${name} ${pos}`)
            .join(",")}
        />
      ))}
    </div>
  );
}

function posOf(target: EventTarget | null): number | null {
  const token = target instanceof Element ? target.closest("[role=option][data-pos]") : null;
  return token ? Number(token.getAttribute("data-pos")) : null;
}

function within(first: number, pos: number | null): number | null {
  return pos !== null && pos >= first && pos < first + RUN ? pos : null;
}

interface RunProps {
  tokens: readonly PromptToken[];
  first: number;
  look: (pos: number) => TokenLook;
  numbered: boolean;
  picked: number | null;
  /** The token that the Tab key comes to, where it is in this run. */
  entry: number | null;
  /** As "key 3,other 5". */
  marks: string;
}

/** Some tokens in a row; the same props give the same elements. */
function Run({ tokens, first, look, numbered, picked, entry, marks }: RunProps): JSX.Element {
  return useCachedMarkup(() => {
    const marked = marks.split(",").map((mark) => mark.split(" "));
    return (
      <>
        {tokens.slice(first, first + RUN).map(({ id, text, added }, index) => {
          const pos = first + index;
          const { words, value, title, named, style, attributes } = look(pos);
          const said = [named?.names, words].filter(Boolean).join(", ");
          const here = marked.filter(([, at]) => at === String(pos));
          return (
            <button
              // A position is its own identity: the same token may come many times.
              key={pos}
              type="button"
              class="lw-token"
              role="option"
              aria-selected={pos === picked}
              aria-label={said ? `${text} ${pos}, ${said}` : `${text} ${pos}`}
              title={title ?? (added ? ADDED : undefined)}
              data-pos={pos}
              data-token-id={id}
              data-value={value === undefined ? undefined : Number.isNaN(value) ? "" : value}
              data-added={added || undefined}
              data-span={named?.names}
              data-long={text.length > LONG || undefined}
              tabIndex={pos === entry ? 0 : -1}
              style={style}
              {...attributes}
              {...Object.fromEntries(here.map(([name]) => [`data-${name}`, "true"]))}
            >
              <TokenText text={text} />
              {/* The space keeps what is seen and what is said the same: "·John 2". */}
              {numbered && <span class="lw-token-pos">{` ${pos}`}</span>}
              {named?.begins && <span class="lw-token-span">{named.names}</span>}
            </button>
          );
        })}
      </>
    );
  }, [tokens, first, look, numbered, picked, entry, marks]);
}
