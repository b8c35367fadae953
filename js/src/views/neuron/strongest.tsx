import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { askCode } from "../../core/export/code";
import { CopyButton } from "../../core/parts/copy_button";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import { areTokensOf, type PromptTokens, useLastKnown } from "../../core/state/tokens";
import * as ask from "../../generated/neuron";

/** The neurons of all layers that are strongest at the selected position, along the prompt. */
export function StrongestNeurons(props: {
  view: ViewHandle;
  tokens: PromptTokens | null;
  show: "baseline" | "current" | "difference";
  topK: number;
  /** The one that the view shows. */
  neuron: string;
  onPick: (neuron: string) => void;
}): JSX.Element | null {
  const { view, tokens, show, topK, neuron, onPick } = props;
  const { prompt, query_pos } = view.session.selection.value;
  const body = useRef<HTMLDivElement>(null);
  const args = { prompt, query_pos, show, top_k: topK };
  const loaded = useAnswer(view, ask.strongest, args);
  const { data } = loaded;
  const known = tokens !== null && areTokensOf(tokens, loaded, "pos");
  const shown = useLastKnown(
    useMemo(() => (known && data ? { data, cols: tokens.texts } : null), [known, data, tokens]),
  );
  const rows = useMemo(() => shown?.data.texts("neuron") ?? [], [shown]);
  const values = useMemo(() => {
    // A cell that stands for several positions would be taken for one: only of very long prompts.
    const exact = shown?.data.poolOf("activation").every((side) => side === 1);
    return shown && exact ? shown.data.numbers("activation") : null;
  }, [shown]);
  const ramp = useRamp([values], { scale: "diverging" });
  const selected = useMemo(() => {
    const row = rows.indexOf(neuron);
    return row < 0 || !shown ? [] : [{ row, col: shown.data.attrs.query_pos }];
  }, [rows, neuron, shown]);
  if (!shown) return null;
  const { units, query_pos: at } = shown.data.attrs;
  return (
    <div ref={body} class="lw-neuron-map">
      <p class="lw-said">
        strongest neurons at position {at}
        {query_pos === null ? ", the last" : ""}; click one to look at it{" "}
        <CopyButton
          label="copy code"
          called="copy code of the strongest neurons"
          within={body}
          text={() => askCode(view, ask.strongestCode, args)}
        />
      </p>
      <MapLegend ramp={ramp} kind="diverging" units={units} />
      <HeatMap
        label="strongest neurons along the prompt"
        rows={rows}
        cols={shown.cols}
        values={values}
        ramp={ramp}
        units={units}
        stale={loaded.stale}
        selected={selected}
        onSelect={(cells) => {
          const name = rows[cells.at(-1)?.row ?? -1];
          if (name) onPick(name);
        }}
      />
    </div>
  );
}
