import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { decode } from "../../core/state/arrays";
import type { ScoreMapResult, TokenInfo } from "../../generated/protocol";

const AXES = { rows: "query", cols: "key" } as const;

/** What one pair of sources adds to the score of every query and key. */
export function PositionMap(props: {
  map: ScoreMapResult;
  buffers: DataView[];
  tokens: readonly TokenInfo[];
  stale: boolean;
  query: number | null;
  keyPos: number | null;
  onSelect: (query: number | null, key: number | null) => void;
}): JSX.Element {
  const { map, buffers, tokens, stale, query, keyPos, onSelect } = props;
  const { pool } = map;
  const array = useMemo(() => decode(map.values, buffers), [map, buffers]);
  const side = array.shape[0] ?? 0;
  const names = useMemo(
    () => Array.from({ length: side }, (_, i) => `${tokens[i * pool]?.text ?? ""} ${i * pool}`),
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
  const parts = `query by ${map.query_source || "all"}, key by ${map.key_source || "all"}`;
  return (
    <div data-query-source={map.query_source} data-key-source={map.key_source}>
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
