import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { quote, signed } from "../../core/draw/format";
import { gridCsv } from "../../core/export/csv";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, RUNS } from "../../core/parts/options";
import { Amount } from "../../core/parts/ranked/amount";
import { RankedList } from "../../core/parts/ranked/ranked";
import { useView, ViewFrame } from "../../core/parts/view";
import { decode } from "../../core/state/arrays";
import { useResource } from "../../core/state/resource";
import type { NeuronPlace } from "../../generated/protocol";
import { NeuronSearch } from "./search";
import { ColouredText } from "./text";

/** One MLP neuron over the prompts: the text in its colours, and the tokens at its two ends. */
export function NeuronPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("neuron", { session, rpc });
  const { prompt, query_pos } = session.selection.value;
  const neuron = session.option("neuron");
  const show = session.option("show");
  const topK = session.option("top_k");
  const loaded = useResource(handle, "neuron", "neuron", {
    neuron: neuron.value,
    prompt,
    top_k: topK.value,
  });
  const top = useResource(handle, "top", "top_neurons", {
    prompt,
    query_pos,
    top_k: topK.value,
    which: show.value,
  });
  const { result } = loaded;
  const values = useMemo(() => {
    if (!result) return null;
    const current = decode(result.current, loaded.buffers).data;
    const baseline = decode(result.baseline, loaded.buffers).data;
    const difference = current.map((value, i) => value - (baseline[i] ?? 0));
    return { current, baseline, difference };
  }, [result, loaded.buffers]);
  const shown = values?.[show.value] ?? null;
  const map = useMemo(
    () => (top.result ? decode(top.result.values, top.buffers).data : null),
    [top.result, top.buffers],
  );
  const differing = show.value === "difference";
  const fixedEnd = differing || !result ? {} : { hi: result.largest };
  const ramp = useRamp([shown], { scale: "diverging", ...fixedEnd });
  const mapRamp = useRamp([map], { scale: "diverging" });
  const [hover, setHover] = useState<number | null>(null);

  const tokens = result?.tokens.tokens ?? NO_TOKENS;
  const columns = useMemo(() => tokens.map(({ text }) => text), [tokens]);
  const lock = (pos: number | null) =>
    session.select(pos === null ? { query_pos: null, key_pos: null } : { query_pos: pos });
  const goTo = (place: NeuronPlace) =>
    place.prompt === prompt
      ? lock(place.pos)
      : session.select({ prompt: place.prompt, query_pos: place.pos, key_pos: null });
  const pos = hover ?? query_pos;
  const said =
    pos === null || !values || !tokens[pos]
      ? "hover a token; click keeps it"
      : `${quote(tokens[pos]?.text ?? "")} at ${pos}: ${signed(values.baseline[pos], 4)} → ${signed(
          values.current[pos],
          4,
        )} (${signed(values.difference[pos], 4)})`;
  const names = top.result?.neurons ?? NO_NAMES;
  const mapSelected = useMemo(() => {
    const row = names.indexOf(result?.neuron ?? "");
    const col = top.result?.pos ?? 0;
    return row < 0 ? [] : [{ row, col }];
  }, [names, result?.neuron, top.result?.pos]);

  const controls = (
    <>
      <NeuronSearch
        neuron={neuron.value}
        nNeurons={result?.n_neurons ?? null}
        layers={session.info.value.mlp_layers}
        onChange={(value) => {
          neuron.value = value;
        }}
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
  const list = (title: string, places: readonly NeuronPlace[]) => (
    <RankedList
      title={title}
      hi={result?.largest ?? 1}
      items={places.map((place) => ({
        id: `${place.prompt} ${place.pos}`,
        text: place.token.text,
        note: `prompt ${place.prompt + 1}, ${place.pos}`,
        value: place.value,
        selected: place.prompt === prompt && place.pos === query_pos,
        attributes: {
          "data-token-id": place.token.id,
          "data-place": `${place.prompt}.${place.pos}`,
        },
      }))}
      onPick={(item) => {
        const place = places.find(({ prompt: p, pos: at }) => `${p} ${at}` === item.id);
        if (place) goTo(place);
      }}
    />
  );

  return (
    <ViewFrame
      handle={handle}
      title="Neuron"
      controls={controls}
      compact={compact}
      takeaway={{ csv: () => gridCsv(columns, [neuron.value], shown) }}
    >
      {result && shown && (
        <>
          <p class="lw-said">
            {result.neuron}: {result.definition.replace(/: L\d+N\d+.*$/, "")}
            {differing ? "; current minus baseline" : ""}
          </p>
          <MapLegend ramp={ramp} kind="diverging" units={result.units} />
          <ColouredText
            tokens={tokens}
            values={shown}
            ramp={ramp}
            locked={query_pos}
            onHover={setHover}
            onLock={lock}
          />
          <p class="lw-num lw-neuron-said">{said}</p>
          <div class="lw-columns">
            {list("highest, all prompts", result.highest)}
            {list("lowest, all prompts", result.lowest)}
          </div>
        </>
      )}
      {top.result && map && (
        <div class="lw-neuron-map">
          <p class="lw-said">
            strongest neurons at position {top.result.pos}
            {query_pos === null ? ", the last" : ""}; click one to look at it
          </p>
          <MapLegend ramp={mapRamp} kind="diverging" units="activation" />
          <HeatMap
            label="strongest neurons along the prompt"
            rows={names}
            cols={columns}
            values={map.length === names.length * columns.length ? map : null}
            ramp={mapRamp}
            units="activation"
            stale={top.stale}
            selected={mapSelected}
            onSelect={(cells) => {
              const name = names[cells.at(-1)?.row ?? -1];
              if (name) neuron.value = name;
            }}
          />
        </div>
      )}
    </ViewFrame>
  );
}

const NO_TOKENS: readonly { id: number; text: string }[] = [];
const NO_NAMES: readonly string[] = [];
