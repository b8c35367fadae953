import type { JSX, TargetedKeyboardEvent } from "preact";
import { useRef } from "preact/hooks";
import { palette } from "../../core/draw/color";
import { fixed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { useStill } from "../../core/parts/still";
import { flush } from "../../core/state/flush";
import type { Selection } from "../../generated/protocol";
import { type ChipTone, chipTone, type TokenColor } from "./format";
import { isMoveKey, moveAmong } from "./layout";
import type { TokenStats } from "./stats";

export interface StripProps {
  stats: TokenStats;
  color: TokenColor;
  top: number;
  selection: Selection;
  /** The token under the mouse or the focus; null when there is none. */
  onHover: (pos: number | null, chip: HTMLElement | null) => void;
  onLock: (pos: number | null) => void;
}

/** The prompt as chips that wrap like text. One of them takes part in the tab order. */
export function Strip(props: StripProps): JSX.Element {
  const { stats, color, top, selection, onHover, onLock } = props;
  const strip = useRef<HTMLDivElement>(null);
  const length = stats.tokens.length;
  const locked = selection.query_pos;
  const entry = useRef(0);
  const inTabOrder = Math.min(locked ?? entry.current, length - 1);

  const chipAt = (pos: number): HTMLElement | null => {
    const chip = strip.current?.children.item(pos);
    return chip instanceof HTMLElement ? chip : null;
  };
  const posOf = (target: EventTarget | null): number | null => {
    const chip = target instanceof Element ? target.closest("[data-pos]") : null;
    const pos = chip?.getAttribute("data-pos");
    return pos === null || pos === undefined ? null : Number(pos);
  };

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const pos = posOf(event.target);
    if (event.key === "Escape" && locked !== null) {
      event.preventDefault();
      event.stopPropagation();
      onLock(null);
      return;
    }
    if (pos === null || !isMoveKey(event.key) || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const chips = Array.from(strip.current?.children ?? [], (chip) => chip.getBoundingClientRect());
    const to = moveAmong(chips, pos, event.key);
    entry.current = to;
    if (locked === pos) onLock(to);
    chipAt(to)?.focus();
  };

  return (
    <div
      ref={strip}
      class="lw-token-strip"
      role="listbox"
      aria-label="tokens"
      aria-orientation="horizontal"
      tabIndex={-1}
      onKeyDown={onKeyDown}
      onPointerOver={(event) => {
        const pos = posOf(event.target);
        if (pos !== null) onHover(pos, chipAt(pos));
      }}
      onPointerLeave={() => onHover(null, null)}
      onFocusIn={(event) => {
        const pos = posOf(event.target);
        if (pos !== null) onHover(pos, chipAt(pos));
      }}
      onFocusOut={() => onHover(null, null)}
      onClick={(event) => {
        const pos = posOf(event.target);
        if (pos === null) return;
        entry.current = pos;
        flush(() => onLock(locked === pos ? null : pos));
      }}
    >
      {stats.tokens.map((token, pos) => (
        <Chip
          // A position is its own identity: the same token may come many times.
          key={pos}
          pos={pos}
          id={token.id}
          text={token.text}
          tone={chipTone(color, stats.loss[pos], stats.rank[pos], top)}
          loss={stats.loss[pos] ?? Number.NaN}
          query={pos === locked}
          keyed={pos === selection.key_pos}
          guessed={pos > 0 && stats.rank[pos - 1] === 0}
          inTabOrder={pos === inTabOrder}
        />
      ))}
    </div>
  );
}

interface ChipProps {
  pos: number;
  id: number;
  text: string;
  tone: ChipTone;
  loss: number;
  query: boolean;
  keyed: boolean;
  /** The token before it expects this one most. */
  guessed: boolean;
  inTabOrder: boolean;
}

function Chip(props: ChipProps): JSX.Element {
  const { pos, id, text, tone, loss, query, keyed, guessed, inTabOrder } = props;
  const theme = useTheme();
  const fraction = tone.kind === "loss" ? tone.fraction : Number.NaN;
  // A long prompt has hundreds of chips of which a hover or a click changes one or two.
  return useStill(
    () => (
      <button
        type="button"
        class="lw-token"
        role="option"
        aria-selected={query}
        aria-label={chipLabel(pos, text, loss, guessed)}
        data-pos={pos}
        data-token-id={id}
        data-value={Number.isFinite(loss) ? String(loss) : ""}
        data-key={keyed}
        data-guessed={guessed}
        data-tone={tone.kind}
        tabIndex={inTabOrder ? 0 : -1}
        style={chipStyle(tone.kind, fraction, theme)}
      >
        <span class="lw-token-text">{text}</span>
        {/* The space keeps what is seen and what is said the same: "·John 2". */}
        <span class="lw-token-pos">{` ${pos}`}</span>
      </button>
    ),
    [pos, id, text, tone.kind, fraction, loss, query, keyed, guessed, inTabOrder, theme],
  );
}

function chipLabel(pos: number, text: string, loss: number, guessed: boolean): string {
  const next = Number.isFinite(loss) ? `, loss ${fixed(loss)} nats` : "";
  return `${text} ${pos}${next}${guessed ? ", guessed right" : ""}`;
}

/** Hits stay quiet; what the model does not see coming has the colour of loss. */
export function chipStyle(
  kind: ChipTone["kind"],
  fraction: number,
  theme: Parameters<typeof palette>[0],
): { background: string; color: string } | undefined {
  const { loss, sequential } = palette(theme);
  switch (kind) {
    case "loss":
      return { background: loss.css(fraction), color: loss.ink(fraction) };
    case "hit":
      return { background: sequential.css(HIT_SHADE), color: sequential.ink(HIT_SHADE) };
    case "miss":
      return { background: loss.css(MISS_SHADE), color: loss.ink(MISS_SHADE) };
    case "none":
      return undefined;
  }
}

export const HIT_SHADE = 0.22;
export const MISS_SHADE = 0.6;
