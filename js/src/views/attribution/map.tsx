import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { headLabel } from "../../core/draw/format";
import { useHeadMap } from "../../core/parts/heads/map";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { ViewHandle } from "../../core/state/handle";
import type { AttributionRow } from "./rows";

export interface EffectMapProps {
  view: ViewHandle;
  rows: readonly AttributionRow[];
  units: string;
  stale: boolean;
  onOpen: (component: string) => void;
}

/** The same effects of heads as in the table, by layer and head. */
export function EffectMap(props: EffectMapProps): JSX.Element {
  const { view, rows, units, stale, onOpen } = props;
  const { n_layers, n_heads } = view.session.info.value;
  const values = useMemo(() => {
    const grid = new Float32Array(n_layers * n_heads).fill(Number.NaN);
    for (const { layer, head, current } of rows) {
      if (layer === null || head === null || current === null) continue;
      grid[layer * n_heads + head] = current;
    }
    return grid;
  }, [rows, n_layers, n_heads]);
  const ramp = useRamp([values], { scale: "diverging", of: units });
  const common = useHeadMap(view, stale);
  return (
    <div class="lw-attr-map">
      <HeatMap
        {...common}
        label="direct effects, layers by heads"
        values={values}
        ramp={ramp}
        units={units}
        maxHeight={380}
        onOpen={({ row, col }) => onOpen(headLabel(row, col))}
      />
      <MapLegend ramp={ramp} kind="diverging" units={units} />
    </div>
  );
}
