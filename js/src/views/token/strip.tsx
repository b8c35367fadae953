import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import { palette } from "../../core/draw/color";
import { fixed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { type TokenLook, TokenStrip } from "../../core/parts/tokens/tokens";
import type { Selection } from "../../generated/messages";
import { type ChipTone, chipTone, namesAt, type TokenColor } from "./format";
import type { TokenStats } from "./stats";

/** Colours and words in place of those of what is predicted. */
export interface Shade {
  look: (pos: number) => Pick<TokenLook, "words" | "value" | "style">;
}

const TEMPLATE = "written by the chat template: not in the messages";

/** The prompt, each token in the colour of what the model expected of the next one. */
export function Strip(props: {
  stats: TokenStats;
  color: TokenColor;
  top: number;
  /** Undefined: what is predicted colours the tokens; null: nothing does yet. */
  shade?: Shade | null | undefined;
  picked: number | null;
  selection: Selection;
  /** The positions of what a chat template wrote; null for a prompt that is no conversation. */
  template: readonly number[] | null;
  /** The positions that have a name, by that name. */
  spans: Readonly<Record<string, readonly number[]>>;
  /** Writes each token's position beside it. */
  numbered: boolean;
  onHover: (pos: number | null, chip: HTMLElement | null) => void;
  onLock: (pos: number | null) => void;
}): JSX.Element {
  const { stats, color, top, shade, picked, selection, template, spans, numbered } = props;
  const { onHover, onLock } = props;
  const theme = useTheme();
  const written = useMemo(() => new Set(template ?? []), [template]);
  const named = useMemo(() => namesAt(spans), [spans]);
  const look = useCallback(
    (pos: number) => {
      const loss = stats.loss[pos] ?? Number.NaN;
      const tone: ChipTone =
        shade === undefined
          ? chipTone(color, stats.loss[pos], stats.rank[pos], top)
          : { kind: "none" };
      const shaded = shade?.look(pos);
      // The token before it expects this one most.
      const guessed = pos > 0 && stats.rank[pos - 1] === 0;
      const next = Number.isFinite(loss) ? [`loss ${fixed(loss)} nats`] : [];
      return {
        words: [
          ...(shaded?.words ? [shaded.words] : next),
          ...(guessed ? ["guessed right"] : []),
          ...(written.has(pos) ? ["of the chat template"] : []),
        ].join(", "),
        named: named.get(pos),
        title: written.has(pos) ? TEMPLATE : undefined,
        value: shade === undefined ? loss : shaded?.value,
        style:
          shaded?.style ??
          chipStyle(tone.kind, tone.kind === "loss" ? tone.fraction : Number.NaN, theme),
        attributes: {
          "data-guessed": String(guessed && shade === undefined),
          "data-tone": tone.kind,
          ...(written.has(pos) ? { "data-added": "true" } : {}),
        },
      };
    },
    [stats, color, top, shade, theme, written, named],
  );
  return (
    <TokenStrip
      label="tokens"
      tokens={stats.tokens}
      picked={picked}
      marks={{ key: selection.key_pos }}
      look={look}
      numbered={numbered}
      onHover={onHover}
      onPick={onLock}
    />
  );
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
