import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { Ramp } from "../../core/draw/canvas";
import { useStill } from "../../core/parts/still";
import { Segmented, TokenText } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import type { HeadRef } from "../../core/state/session";
import type { Options, TokenInfo } from "../../generated/protocol";
import { averageWords, type Kind, shownName, valueText } from "./kind";
import { useExactLines } from "./lines";
import { lineOf, type Picture } from "./picture";
import type { AttentionState } from "./state";

const MODES = [
  { value: "from", label: "attends to", title: "what the picked token attends to" },
  { value: "to", label: "attended by", title: "which tokens attend to the picked one" },
] as const;

export interface TokenStripProps {
  view: ViewHandle;
  state: AttentionState;
  head: HeadRef;
  kind: Kind;
  skipBos: boolean;
  picture: Picture | null;
  tokens: readonly TokenInfo[];
  ramp: Ramp;
  prompt: number;
  isPreview: boolean;
}

/** How many tokens are rendered together. */
const RUN = 64;
const LONG = 24;

/** Token mode: pick a token and see, in the text itself, what it attends to or what attends to it. */
export function TokenStrip(props: TokenStripProps): JSX.Element {
  const { view, state, head, kind, skipBos, picture, tokens, ramp, prompt, isPreview } = props;
  const { session } = view;
  const mode = session.option("token_mode");
  const from = mode.value === "from";
  const { query_pos, key_pos } = session.selection.value;
  const hover = state.hover.value;
  const pickedNow = from ? query_pos : key_pos;
  const hovered = from ? hover?.q : hover?.k;
  const picked = hovered ?? pickedNow;
  const other = from ? (hover ? hover.k : key_pos) : hover ? hover.q : query_pos;

  const pick = (pos: number) => {
    const next = pickedNow === pos ? null : pos;
    session.select(from ? { query_pos: next, key_pos: null } : { query_pos: null, key_pos: next });
  };
  const switchMode = (value: Options["token_mode"]) => {
    mode.value = value;
    const single = query_pos === null || key_pos === null;
    if (single) session.select({ query_pos: key_pos, key_pos: query_pos });
  };
  const posOf = (target: EventTarget | null): number | null => {
    const chip = target instanceof Element ? target.closest("[data-pos]") : null;
    return chip ? Number(chip.getAttribute("data-pos")) : null;
  };
  const hoverAt = (pos: number | null) => {
    const next = pos === null ? null : from ? { q: pos, k: null } : { q: null, k: pos };
    const old = state.hover.peek();
    if (old?.q === next?.q && old?.k === next?.k) return;
    flush(() => {
      state.hover.value = next;
    });
  };

  const at = from ? { q: picked, k: other } : { q: other, k: picked };
  const lines = useExactLines(view, "strip", head, prompt, kind, picture, at, isPreview);
  const exactLine = (from ? lines?.row : lines?.column)?.data ?? null;
  const values = useMemo(
    () => exactLine ?? (picked === null ? null : lineOf(picture, picked, from)),
    [exactLine, picture, picked, from],
  );
  const common = { tokens, values, isExact: exactLine !== null || picture?.exact === true };
  const uncoloured = skipBos ? (from ? 0 : picked === 0 ? "all" : null) : null;
  const starts = Array.from({ length: Math.ceil(tokens.length / RUN) }, (_, i) => i * RUN);

  const label = averageWords(kind.average, shownName(head, kind.average));
  return (
    <div class="lw-strip">
      <div class="lw-strip-head">
        <span class="lw-muted">
          {picked === null ? "pick a token" : `${label} at position ${picked}`}
        </span>
        <Segmented label="token mode" options={MODES} value={mode.value} onChange={switchMode} />
      </div>
      <div
        class="lw-strip-tokens"
        role="group"
        aria-label="tokens"
        onClick={(event) => {
          const pos = posOf(event.target);
          if (pos !== null) pick(pos);
        }}
        onPointerOver={(event) => hoverAt(posOf(event.target))}
        onPointerLeave={() => hoverAt(null)}
        onKeyDown={(event) => {
          const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          const chip = event.target;
          if (step === undefined || !(chip instanceof HTMLElement)) return;
          const next = step > 0 ? chip.nextElementSibling : chip.previousElementSibling;
          event.preventDefault();
          if (next instanceof HTMLElement) next.focus();
        }}
      >
        {starts.map((first) => (
          <Chips
            key={first}
            {...common}
            {...{ first, kind, ramp, uncoloured }}
            picked={within(first, picked)}
            pressed={within(first, pickedNow)}
            other={within(first, other)}
          />
        ))}
      </div>
    </div>
  );
}

function within(first: number, pos: number | null): number | null {
  return pos !== null && pos >= first && pos < first + RUN ? pos : null;
}

interface ChipsProps {
  tokens: readonly TokenInfo[];
  first: number;
  /** One a token of the prompt, as far as known. */
  values: Float32Array | null;
  isExact: boolean;
  kind: Kind;
  ramp: Ramp;
  /** The position that has no colour. */
  uncoloured: number | "all" | null;
  picked: number | null;
  pressed: number | null;
  other: number | null;
}

/** A run of tokens. The same props give the same elements: of 1,024 tokens a hover touches few. */
function Chips(props: ChipsProps): JSX.Element {
  const { tokens, first, values, isExact, kind, uncoloured, picked, pressed, other } = props;
  const { scale, hi } = props.ramp;
  return useStill(
    () => (
      <>
        {tokens.slice(first, first + RUN).map((token, index) => {
          const pos = first + index;
          const value = values?.[pos] ?? Number.NaN;
          const known = !Number.isNaN(value);
          const isColoured = known && uncoloured !== "all" && uncoloured !== pos;
          const t = value / (hi || 1);
          return (
            <button
              key={pos}
              type="button"
              class="lw-strip-token"
              data-pos={pos}
              data-token-id={token.id}
              data-long={token.text.length > LONG || undefined}
              data-value={known && isExact ? String(value) : undefined}
              data-picked={pos === picked || undefined}
              data-other={pos === other || undefined}
              aria-pressed={pos === pressed}
              title={known ? `${token.text}  ${valueText(value, kind)}` : token.text}
              style={isColoured ? { background: scale.css(t), color: scale.ink(t) } : undefined}
            >
              <TokenText text={token.text} />
            </button>
          );
        })}
      </>
    ),
    [tokens, first, values, isExact, kind, scale, hi, uncoloured, picked, pressed, other],
  );
}
