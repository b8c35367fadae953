import type { JSX } from "preact";
import { useCallback, useLayoutEffect, useMemo, useState } from "preact/hooks";
import type { Ramp } from "../../core/draw/canvas";
import { datasetCsv } from "../../core/export/csv";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/composition";
import { blockOf } from "./layout";
import { layerNames, type Pair, readPairs } from "./pairs";
import { choosePair, chosenPair, Definition, PairList, type ShownProps } from "./parts";

interface LayerPair {
  writer: number;
  reader: number;
}

/** Layers by layers first; a click opens the heads of two of them. */
export function ByLayers({ view, chosen, stacked, csv }: ShownProps): JSX.Element {
  const { session } = view;
  const sources = Math.max(1, session.info.value.n_layers - 1);
  const loaded = useAnswer(view, ask.layers, chosen);
  const { data } = loaded;
  const largest = data?.numbers("largest") ?? null;
  const pairs = useMemo(() => (data ? readPairs(data) : []), [data]);
  useLayoutEffect(() => {
    csv.current = () => data && datasetCsv(data);
  }, [csv, data]);
  const args = loaded.args ?? chosen;
  const kind = args.subtract_random ? "diverging" : "sequential";
  const of = JSON.stringify(loaded.args);
  const ramp = useRamp([largest], { scale: kind, partial: loaded.partial, of });
  const rows = useMemo(() => layerNames(0, sources), [sources]);
  const cols = useMemo(() => layerNames(1, sources), [sources]);
  const [opened, setOpened] = useState<LayerPair | null>(null);
  const pair = chosenPair(session);
  const picked = pair && pair.writer.layer < pair.reader.layer ? pair : null;
  // What is chosen anywhere is shown here; else what somebody opened, or the strongest pair.
  const open: LayerPair | null = picked
    ? { writer: picked.writer.layer, reader: picked.reader.layer }
    : (opened ?? (pairs[0] ? layersOf(pairs[0]) : null));
  const selected = useMemo(
    () => (open ? [{ row: open.writer, col: open.reader - 1 }] : []),
    [open?.writer, open?.reader],
  );
  const outlined = useMemo(
    () => pairs.map(({ writer, reader }) => ({ row: writer.layer, col: reader.layer - 1 })),
    [pairs],
  );
  const cell = useCallback(
    (row: number, col: number) => ({
      name: `strongest of ${rows[row]} into ${cols[col]}`,
      attributes: { "data-writer": rows[row], "data-reader": cols[col] },
    }),
    [rows, cols],
  );
  const units = data?.attrs.units ?? "";
  return (
    <>
      <Definition said={data?.attrs ?? null} />
      <MapLegend
        ramp={ramp}
        kind={kind}
        units={units}
        unknown={loaded.partial}
        values={[largest]}
      />
      <div class={stacked ? "lw-stacked" : "lw-halves"}>
        <HeatMap
          label="largest composition scores, earlier layers by later layers"
          title="largest of any two heads; click to open two layers"
          rows={rows}
          cols={cols}
          axes={AXES}
          square
          values={largest}
          ramp={ramp}
          units={units}
          cell={cell}
          missing={loaded.partial ? "unknown" : "absent"}
          numbers={0}
          maxHeight={TALL}
          stale={loaded.stale}
          outlined={outlined}
          selected={selected}
          onSelect={(_, clicked) => {
            if (!clicked || clicked.row > clicked.col) return;
            setOpened({ writer: clicked.row, reader: clicked.col + 1 });
            if (pair) choosePair(session, null, null);
          }}
        />
        {open && <Heads view={view} chosen={chosen} open={open} ramp={ramp} units={units} />}
      </div>
      <div class="lw-stacked">
        <PairList
          session={session}
          kind={args.composition}
          pairs={pairs}
          hi={ramp.hi}
          plain={kind === "sequential"}
        />
      </div>
    </>
  );
}

/** The heads of two layers, on the scale of the map of layers. */
function Heads(props: {
  view: ShownProps["view"];
  chosen: ShownProps["chosen"];
  open: LayerPair;
  ramp: Ramp;
  units: string;
}): JSX.Element {
  const { view, chosen, open, ramp, units } = props;
  const { session } = view;
  const heads = session.info.value.n_heads;
  const loaded = useAnswer(view, ask.scores, { ...chosen, dst_from: open.reader, dst_layers: 1 });
  const { data } = loaded;
  const fits = loaded.args?.dst_from === open.reader;
  const values = useMemo(
    () => (data && fits ? blockOf(data.numbers("score"), open.writer, heads) : null),
    [data, fits, open.writer, heads],
  );
  const rows = useMemo(() => names(open.writer, heads), [open.writer, heads]);
  const cols = useMemo(() => names(open.reader, heads), [open.reader, heads]);
  const cell = useCallback(
    (row: number, col: number) => ({
      name: `${rows[row]} into ${cols[col]}`,
      attributes: { "data-writer": rows[row], "data-head": cols[col] },
    }),
    [rows, cols],
  );
  const pair = chosenPair(session);
  const [row, col] = [pair?.writer.head ?? -1, pair?.reader.head ?? -1];
  const selected: readonly MapCell[] = useMemo(() => (row < 0 ? [] : [{ row, col }]), [row, col]);
  return (
    <HeatMap
      label={`composition scores, heads of layer ${open.writer} by heads of layer ${open.reader}`}
      title={`heads of L${open.writer} into heads of L${open.reader}`}
      rows={rows}
      cols={cols}
      axes={AXES}
      square
      values={values}
      ramp={ramp}
      units={units}
      cell={cell}
      missing="absent"
      numbers={0}
      maxHeight={TALL}
      stale={loaded.stale}
      selected={selected}
      onSelect={(cells) => {
        const last = cells.at(-1);
        if (!last) choosePair(session, null, null);
        else {
          choosePair(
            session,
            { layer: open.writer, head: last.row },
            { layer: open.reader, head: last.col },
          );
        }
      }}
    />
  );
}

function layersOf({ writer, reader }: Pair): LayerPair {
  return { writer: writer.layer, reader: reader.layer };
}

function names(layer: number, heads: number): string[] {
  return Array.from({ length: heads }, (_, head) => `L${layer}H${head}`);
}

const AXES = { rows: "writes", cols: "reads" };
const TALL = 560;
