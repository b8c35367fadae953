import type { JSX } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { palette } from "../../core/draw/color";
import { fixed, headLabel } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { ColorBar } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { PromptTokens } from "../../core/state/tokens";
import { patternPart } from "../../generated/attention";
import { rangeOf } from "../attention/range";
import { attentionTop } from "./format";
import type { Shade } from "./strip";

/**
 * Colours the tokens by what the selected head's pattern has at one of them: what it attends to, or what
 * attends to it. Draws what the colours mean; `onShade` is given the colours.
 */
export function Attended(props: {
  view: ViewHandle;
  mode: "from" | "to";
  tokens: PromptTokens;
  /** Null while no token is pointed at or picked. */
  pos: number | null;
  onShade: (shade: Shade | null) => void;
}): JSX.Element {
  const { view, mode, tokens, pos, onShade } = props;
  const theme = useTheme();
  const { layer, head } = view.session.selection.value;
  const { prompt } = tokens;
  const { length: n } = tokens.list;
  const row = mode === "from";
  const { data, args, error } = useAnswer(
    view,
    patternPart,
    pos === null
      ? null
      : {
          ...{ prompt, layer, head, show: "current", attention_mode: "pattern" },
          head_average: "none",
          ...rangeOf(row ? { q: pos, k: null } : { q: null, k: pos }, n),
        },
    { slot: "attended", quiet: true },
  );
  // Until the next answer is there, what is shown says what it is of.
  const asked = args && (row ? args.key_stop - args.key_start : args.query_stop - args.query_start);
  const of = pos !== null && args?.prompt === prompt && asked === n ? args : null;
  const values = (of && data?.numbers("pattern")) ?? null;
  const first = view.session.setting("skip_bos").value && tokens.attrs.bos;
  const top = values ? attentionTop(values) : 1;
  const at = (row ? of?.query_start : of?.key_start) ?? null;
  useLayoutEffect(() => {
    const { sequential } = palette(theme);
    const shade: Shade | null = values && {
      look: (token) => {
        const value = values[token] ?? Number.NaN;
        const left = first && (row ? token : at) === 0;
        const t = Math.min(1, value / top);
        const coloured = Number.isFinite(value) && !left;
        return {
          words: `attention ${fixed(value)}`,
          value,
          style: coloured ? { background: sequential.css(t), color: sequential.ink(t) } : undefined,
        };
      },
    };
    flush(() => onShade(shade));
  }, [values, theme, row, top, first, at, onShade]);
  useLayoutEffect(() => () => onShade(null), [onShade]);
  const token = at === null ? "" : (tokens.texts[at] ?? "");
  return (
    <span class="lw-token-legend" data-attended={at ?? undefined}>
      {of ? (
        <span>
          <span class="lw-mono">{headLabel(of.layer, of.head)}</span>
          {row ? " from " : " to "}
          <span class="lw-mono lw-token-text">{token}</span> <span class="lw-num">{at}</span>
        </span>
      ) : (
        <span>
          {error?.message ??
            (view.session.connected.value ? "point at a token" : "needs a running kernel")}
        </span>
      )}
      <ColorBar lo={0} hi={top} unit="" scale="sequential" />
    </span>
  );
}
