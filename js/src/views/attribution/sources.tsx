import type { JSX } from "preact";
import { useCallback, useMemo, useState } from "preact/hooks";
import { palette } from "../../core/draw/color";
import { change, fixed, niceCeil, quote, signed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { TokenStrip } from "../../core/parts/tokens/tokens";
import { ColorBar } from "../../core/parts/ui";
import { maxAbs } from "../../core/state/arrays";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import { areTokensOf, usePromptTokens } from "../../core/state/tokens";
import { sources as askSources } from "../../generated/attribution";
import { digitsFor } from "./layout";

/** One head's effect in the text: which token's value carried how much of it. */
export function Sources(props: {
  view: ViewHandle;
  head: HeadRef;
  prompt: number;
  pos: number | null;
}): JSX.Element | null {
  const { view, head, prompt, pos } = props;
  const { session } = view;
  const { layer, head: index } = head;
  const args = { prompt, layer, head: index, pos };
  const loaded = useAnswer(view, askSources, args);
  const { data } = loaded;
  const told = usePromptTokens(view, prompt);
  const result = data?.attrs;
  const values = useMemo(
    () => data && { baseline: data.numbers("baseline"), current: data.numbers("current") },
    [data],
  );
  const [hovered, setHovered] = useState<number | null>(null);
  const { diverging } = palette(useTheme());
  const top = values ? niceCeil(Math.max(maxAbs(values.current), maxAbs(values.baseline))) : 1;
  const digits = digitsFor(top, result?.current_total ?? null);
  const look = useCallback(
    (at: number) => {
      const value = values?.current[at] ?? Number.NaN;
      const t = value / top;
      return {
        words: `${signed(value, digits)} ${result?.units ?? ""}`,
        value,
        style: { background: diverging.css(t), color: diverging.ink(t) },
        attributes: { "data-baseline": String(values?.baseline[at] ?? "") },
      };
    },
    [values, top, digits, result?.units, diverging],
  );
  if (!told || !areTokensOf(told, loaded, "key_pos")) return null;
  const tokens = told.list;
  if (!result || !values || loaded.args?.layer !== layer || loaded.args.head !== index) return null;
  const { key_pos } = session.selection.value;
  const shown = hovered ?? key_pos;
  const hover = (at: number | null) => {
    if (at !== hovered) flush(() => setHovered(at));
  };
  // Reading where the metric does leaves the query open: the metric may read many positions.
  const pick = (at: number | null) =>
    session.select({ key_pos: at, ...(pos === null ? {} : { query_pos: pos }) });
  return (
    <div class="lw-attr-sources" data-stale={loaded.stale}>
      <p class="lw-attr-detail-head">
        <span class="lw-muted">
          token whose value carried it, prompt {prompt + 1} · sum{" "}
          <b class="lw-num" data-sources-total={String(result.current_total ?? "")}>
            {fixed(result.current_total, digits)}
          </b>
          {result.rest !== null && Math.abs(result.rest) > 1e-4 && (
            <span class="lw-num"> · put in by interventions {signed(result.rest, digits)}</span>
          )}
        </span>
        <ColorBar lo={-top} hi={top} unit={result.units} scale="diverging" />
      </p>
      <TokenStrip
        label="effect by source token"
        tokens={tokens}
        picked={key_pos}
        look={look}
        onHover={hover}
        onPick={pick}
      />
      <p class="lw-attr-readout lw-num" aria-live="polite">
        {shown !== null && shown < tokens.length ? (
          <>
            <span class="lw-mono">{quote(tokens[shown]?.text ?? "")}</span>{" "}
            <b>{signed(values.current[shown], digits)}</b>{" "}
            <span class="lw-muted">
              baseline {signed(values.baseline[shown], digits)}, change{" "}
              {signed(change(values.baseline[shown], values.current[shown]), digits)}
            </span>
          </>
        ) : (
          <span class="lw-muted">hover a token for its share, click to select it as key</span>
        )}
      </p>
    </div>
  );
}
