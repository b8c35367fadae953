import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import { type Ramp, shadeOf } from "../../core/draw/canvas";
import { TokenStrip } from "../../core/parts/tokens/tokens";
import { Segmented } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import type { HeadRef } from "../../core/state/session";
import * as ask from "../../generated/attention";
import type { TokenInfo } from "../../generated/session";
import { averageWords, type Kind, shownName, valueText } from "./kind";
import { usePicked } from "./part";
import { lineOf, type Picture } from "./picture";
import type { AttentionState } from "./state";

const MODES = [
  { value: "from", label: "attends to", title: "what the picked token attends to" },
  { value: "to", label: "attended by", title: "which tokens attend to the picked one" },
] as const;

export interface StripProps {
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

/** Token mode: pick a token and see, in the text itself, what it attends to or what attends to it. */
export function Strip(props: StripProps): JSX.Element {
  const { view, state, head, kind, skipBos, picture, tokens, ramp, prompt, isPreview } = props;
  const { session } = view;
  const mode = session.option(ask.OPTIONS.token_mode);
  const from = mode.value === "from";
  const { query_pos, key_pos } = session.selection.value;
  const hover = state.hover.value;
  const pickedNow = from ? query_pos : key_pos;
  const hovered = from ? hover?.q : hover?.k;
  const picked = hovered ?? pickedNow;
  const other = from ? (hover ? hover.k : key_pos) : hover ? hover.q : query_pos;

  const pick = (pos: number | null) =>
    session.select(from ? { query_pos: pos, key_pos: null } : { query_pos: null, key_pos: pos });
  const switchMode = (value: typeof mode.value) => {
    mode.value = value;
    const single = query_pos === null || key_pos === null;
    if (single) session.select({ query_pos: key_pos, key_pos: query_pos });
  };
  const hoverAt = (pos: number | null) => {
    const next = pos === null ? null : from ? { q: pos, k: null } : { q: null, k: pos };
    const old = state.hover.peek();
    if (old?.q === next?.q && old?.k === next?.k) return;
    flush(() => {
      state.hover.value = next;
    });
  };

  const line = from ? { q: picked, k: null } : { q: null, k: picked };
  const { length } = tokens;
  const exact = usePicked(view, "strip", head, prompt, kind, picture, line, length, isPreview);
  const values = useMemo(
    () => exact ?? (picked === null ? null : lineOf(picture, picked, from)),
    [exact, picture, picked, from],
  );
  const isExact = exact !== null || picture?.exact === true;
  const uncoloured = skipBos ? (from ? 0 : picked === 0 ? "all" : null) : null;
  const { scale } = ramp;
  const look = useCallback(
    (pos: number) => {
      const value = values?.[pos] ?? Number.NaN;
      const text = tokens[pos]?.text ?? "";
      if (Number.isNaN(value)) return { title: text };
      const isColoured = uncoloured !== "all" && uncoloured !== pos;
      const t = shadeOf(value, ramp);
      const words = valueText(value, kind);
      return {
        words,
        title: `${text}  ${words}`,
        value: isExact ? value : undefined,
        style: isColoured ? { background: scale.css(t), color: scale.ink(t) } : undefined,
      };
    },
    [tokens, values, isExact, kind, ramp, uncoloured],
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
      <TokenStrip
        label="tokens"
        tokens={tokens}
        picked={pickedNow}
        marks={{ picked, other }}
        look={look}
        onHover={hoverAt}
        onPick={pick}
      />
    </div>
  );
}
