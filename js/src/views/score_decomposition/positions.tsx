import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { Dataset } from "../../core/state/dataset";
import type { Positions } from "../../generated/score_decomposition";

const AXES = { rows: "query", cols: "key" } as const;

/** What one pair of sources adds to the score of every query and key. */
export function PositionMap(props: {
  map: Dataset<Positions>;
  tokens: readonly string[];
  stale: boolean;
  query: number | null;
  keyPos: number | null;
  onSelect: (query: number | null, key: number | null) => void;
}): JSX.Element {
  const { map, tokens, stale, query, keyPos, onSelect } = props;
  const [pool] = map.poolOf("score");
  const array = map.array("score");
  const side = array.shape[0] ?? 0;
  const names = useMemo(
    () => Array.from({ length: side }, (_, i) => `${tokens[i * pool] ?? ""} ${i * pool}`),
    [side, tokens, pool],
  );
  const ramp = useRamp([array.data], { scale: "diverging" });
  const selected = useMemo<readonly MapCell[]>(
    () =>
      query === null || keyPos === null
        ? []
        : [{ row: Math.floor(query / pool), col: Math.floor(keyPos / pool) }],
    [query, keyPos, pool],
  );
  const cell = useCallback(
    (row: number, col: number) => ({
      name: `query ${names[row]}, key ${names[col]}`,
      attributes: { "data-query-pos": row * pool, "data-key-pos": col * pool },
    }),
    [names, pool],
  );
  const parts = `query by ${map.attrs.query_source || "all"}, key by ${map.attrs.key_source || "all"}`;
  return (
    <div data-query-source={map.attrs.query_source} data-key-source={map.attrs.key_source}>
      <MapLegend ramp={ramp} kind="diverging" units={`score, ${parts}`} />
      <HeatMap
        label={`score by position, ${parts}`}
        rows={names}
        cols={names}
        axes={AXES}
        values={array.data}
        ramp={ramp}
        units={pool > 1 ? `score, largest of ${pool} × ${pool}` : "score"}
        cell={cell}
        square
        cellText={null}
        stale={stale}
        maxHeight={520}
        selected={selected}
        onSelect={(cells) => {
          const last = cells.at(-1);
          if (!last) onSelect(null, null);
          else if (last.col <= last.row) onSelect(last.row * pool, last.col * pool);
        }}
      />
    </div>
  );
}
