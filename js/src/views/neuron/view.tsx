import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { quote, signed } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, RUNS } from "../../core/parts/options";
import { Amount } from "../../core/parts/ranked/amount";
import { useView, ViewFrame } from "../../core/parts/view";
import { useAnswer } from "../../core/state/resource";
import { areTokensOf, useLastKnown, usePromptTokens } from "../../core/state/tokens";
import * as ask from "../../generated/neuron";
import { type NeuronPlace, runsOf } from "./neurons";
import { PlaceLists } from "./places";
import { NeuronSearch } from "./search";
import { StrongestNeurons } from "./strongest";
import { ColouredText } from "./text";

/** The lists of places keep their room, in CSS pixels: what stands below is known before them. */
const LIST = { title: 22, item: 24 };

/** One MLP neuron over the prompts: the text in its colours, and the tokens at its two ends. */
export function NeuronPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("neuron", { session, rpc });
  const { prompt, query_pos } = session.selection.value;
  const neuron = session.option(ask.OPTIONS.neuron);
  const show = session.option(ask.OPTIONS.show);
  const topK = session.option(ask.OPTIONS.top_k);
  const tokens = usePromptTokens(handle, prompt);
  const chosen = { neuron: neuron.value, show: show.value, top_k: topK.value };
  const none = session.info.value.mlp_layers.length === 0;
  const loaded = useAnswer(handle, ask.activations, none ? null : { neuron: neuron.value, prompt });
  const places = useAnswer(handle, ask.places, none ? null : chosen);
  const { data } = loaded;
  const known = tokens !== null && areTokensOf(tokens, loaded, "pos");
  const shown = useLastKnown(
    useMemo(
      () => (known && data ? { data, tokens, runs: runsOf(data) } : null),
      [known, data, tokens],
    ),
  );
  const attrs = shown?.data.attrs;
  const values = shown?.runs[show.value] ?? null;
  const named = neuron.value ?? attrs?.neuron ?? "";
  const differing = show.value === "difference";
  const hi = differing || !attrs ? null : attrs.largest;
  const ramp = useRamp([values], { scale: "diverging", ...(hi !== null && { hi }) });
  const [hover, setHover] = useState<number | null>(null);

  const lock = (pos: number | null) =>
    session.select(pos === null ? { query_pos: null, key_pos: null } : { query_pos: pos });
  const goTo = (place: NeuronPlace) =>
    place.prompt === prompt
      ? lock(place.pos)
      : session.select({ prompt: place.prompt, query_pos: place.pos, key_pos: null });
  const pos = hover ?? query_pos;
  const token = pos === null ? undefined : shown?.tokens.list[pos];
  const said =
    pos === null || !shown || !token
      ? "hover a token; click keeps it"
      : `${quote(token.text)} at ${pos}: ${signed(shown.runs.baseline[pos], 4)} → ${signed(
          shown.runs.current[pos],
          4,
        )} (${signed(shown.runs.difference[pos], 4)})`;
  const choose = (name: string) => {
    neuron.value = name;
  };

  const controls = (
    <>
      <NeuronSearch
        neuron={named}
        nNeurons={attrs?.n_neurons ?? null}
        layers={session.info.value.mlp_layers}
        onChange={choose}
      />
      <OptionButtons label="run" of={show} choices={RUNS} />
      <Amount
        value={topK.value}
        onChange={(value) => {
          topK.value = value;
        }}
      />
    </>
  );

  if (none) {
    return (
      <ViewFrame handle={handle} title="Neuron" compact={compact}>
        <p class="lw-said">This model has no MLPs, so it has no neurons.</p>
      </ViewFrame>
    );
  }
  return (
    <ViewFrame
      handle={handle}
      title="Neuron"
      controls={controls}
      compact={compact}
      takeaway={{
        csv: () => shown && datasetCsv(shown.data, { names: { pos: shown.tokens.texts } }),
        code: () => askCode(handle, ask.code, chosen),
      }}
      reserve={() => 750}
    >
      {shown && attrs && values && (
        <>
          <p class="lw-said">
            {attrs.neuron}: {attrs.definition}
            {differing ? "; current minus baseline" : ""}
          </p>
          <MapLegend ramp={ramp} kind="diverging" units={attrs.units} />
          <ColouredText
            tokens={shown.tokens.list}
            values={values}
            ramp={ramp}
            locked={query_pos}
            onHover={setHover}
            onLock={lock}
          />
          <p class="lw-num lw-neuron-said">{said}</p>
        </>
      )}
      <div style={{ minHeight: `${LIST.title + topK.value * LIST.item}px` }}>
        {places.data && (
          <PlaceLists
            data={places.data}
            differing={places.args?.show === "difference"}
            hi={places.args?.show === "difference" ? null : (attrs?.largest ?? null)}
            prompt={prompt}
            pos={query_pos}
            onPick={goTo}
          />
        )}
      </div>
      <StrongestNeurons
        view={handle}
        tokens={tokens}
        show={show.value}
        topK={topK.value}
        neuron={named}
        onPick={choose}
      />
    </ViewFrame>
  );
}
