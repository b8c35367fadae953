import type { JSX } from "preact";
import type { Ramp } from "../../core/canvas";
import { flush } from "../../core/flush";
import type { ViewHandle } from "../../core/handle";
import type { HeadRef } from "../../core/session";
import { useStill } from "../../core/still";
import { Segmented, TokenText } from "../../core/ui";
import type { Options, TokenInfo } from "../../generated/protocol";
import { averageWords, type Kind, shownName, valueText } from "./kind";
import { type Picture, weightAt } from "./picture";
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
}

/** Token mode: pick a token and see, in the text itself, what it attends to or what attends to it. */
export function TokenStrip(props: TokenStripProps): JSX.Element {
  const { view, state, head, kind, skipBos, picture, tokens, ramp } = props;
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

  const { scale, hi } = ramp;
  const chips = useStill(
    () => (
      <>
        {tokens.map((token, pos) => {
          const value =
            picked === null
              ? Number.NaN
              : from
                ? weightAt(picture, picked, pos)
                : weightAt(picture, pos, picked);
          const known = !Number.isNaN(value);
          const key = from ? pos : picked;
          const isColoured = known && !(skipBos && key === 0);
          const t = value / (hi || 1);
          const shown = valueText(value, kind);
          return (
            <button
              key={pos}
              type="button"
              class="lw-strip-token"
              data-pos={pos}
              data-token-id={token.id}
              data-value={known && picture?.exact ? String(value) : undefined}
              data-picked={pos === picked || undefined}
              data-other={pos === other || undefined}
              aria-pressed={pos === pickedNow}
              title={known ? `${token.text}  ${shown}` : token.text}
              style={isColoured ? { background: scale.css(t), color: scale.ink(t) } : undefined}
            >
              <TokenText text={token.text} />
            </button>
          );
        })}
      </>
    ),
    [tokens, picture, picked, pickedNow, other, from, scale, hi, kind, skipBos],
  );

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
        {chips}
      </div>
    </div>
  );
}
