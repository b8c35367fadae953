import type { JSX } from "preact";
import { useCallback, useLayoutEffect, useMemo } from "preact/hooks";
import { datasetCsv } from "../../core/export/csv";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/composition";
import { headNames, layerNames, pairAt, strongest } from "./pairs";
import { choosePair, chosenPair, Definition, PairList, type ShownProps } from "./parts";

const LISTED = 12;
const NONE: readonly MapCell[] = [];
/** Beside its list, and with the page's width for itself: all pairs of a model of 270 heads. */
const TALL = 640;
const TALLEST = 860;

/** Every pair of heads as a cell of one map. */
export function AllPairs({ view, chosen, stacked, csv }: ShownProps): JSX.Element {
  const { session } = view;
  const { n_layers, n_heads: heads } = session.info.value;
  const sources = Math.max(1, n_layers - 1);
  const loaded = useAnswer(view, ask.scores, { ...chosen, dst_from: 1, dst_layers: null });
  // Cells that stand for several pairs cannot be picked: only a large model's snapshot has them.
  const data = loaded.data?.poolOf("score").every((side) => side === 1) ? loaded.data : null;
  const scores = data?.numbers("score") ?? null;
  useLayoutEffect(() => {
    csv.current = () => data && datasetCsv(data);
  }, [csv, data]);
  const rows = useMemo(() => headNames(0, sources, heads), [sources, heads]);
  const cols = useMemo(() => headNames(1, sources, heads), [sources, heads]);
  const groups = useMemo(
    () => ({ rows: layerNames(0, sources), cols: layerNames(1, sources) }),
    [sources],
  );
  const args = loaded.args ?? chosen;
  const above = args.subtract_random;
  const kind = above ? "diverging" : "sequential";
  const ramp = useRamp([scores], {
    scale: kind,
    partial: loaded.partial,
    of: JSON.stringify(loaded.args),
  });
  const top = useMemo(
    () => (scores ? strongest(scores, cols.length, 1, heads, LISTED) : []),
    [scores, cols.length, heads],
  );
  const outlined = useMemo(
    () =>
      top.map(({ writer, reader }) => ({
        row: writer.layer * heads + writer.head,
        col: (reader.layer - 1) * heads + reader.head,
      })),
    [top, heads],
  );
  const { layer, head, writer_layer, writer_head } = session.selection.value;
  const selected = useMemo(() => {
    const pair = chosenPair(session);
    if (!pair || pair.writer.layer >= pair.reader.layer) return NONE;
    const row = pair.writer.layer * heads + pair.writer.head;
    return [{ row, col: (pair.reader.layer - 1) * heads + pair.reader.head }];
  }, [session, heads, layer, head, writer_layer, writer_head]);
  const cell = useCallback(
    (row: number, col: number) => ({
      name: `${rows[row]} into ${cols[col]}`,
      attributes: { "data-writer": rows[row], "data-head": cols[col] },
    }),
    [rows, cols],
  );
  const units = data?.attrs.units ?? "";
  return (
    <>
      <Definition said={data?.attrs ?? null} />
      <div class={stacked ? "lw-stacked" : "lw-beside"}>
        <div>
          <MapLegend ramp={ramp} kind={kind} units={units} unknown={loaded.partial} />
          <HeatMap
            label="composition scores, earlier heads by later heads"
            rows={rows}
            cols={cols}
            groups={groups}
            axes={AXES}
            square
            values={scores}
            ramp={ramp}
            units={units}
            cell={cell}
            missing={loaded.partial ? "unknown" : "absent"}
            numbers={0}
            maxHeight={stacked ? TALLEST : TALL}
            stale={loaded.stale}
            outlined={outlined}
            selected={selected}
            onSelect={(cells) => {
              const last = cells.at(-1);
              if (!last) {
                choosePair(session, null, null);
                return;
              }
              const { writer, reader } = pairAt(last.row, last.col, 1, heads);
              if (writer.layer < reader.layer) choosePair(session, writer, reader);
            }}
          />
        </div>
        <PairList
          session={session}
          kind={args.composition}
          pairs={top}
          hi={ramp.hi}
          plain={!above}
        />
      </div>
    </>
  );
}

const AXES = { rows: "writes", cols: "reads" };
