import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import { headLabel } from "../../core/draw/format";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { ViewHandle } from "../../core/state/handle";
import type { AttributionRow } from "../../generated/protocol";

/** The same effects of heads as in the table, by layer and head. */
export function EffectMap(props: {
  view: ViewHandle;
  rows: readonly AttributionRow[];
  units: string;
  stale: boolean;
  ablated: ReadonlySet<string>;
  onToggle: (component: string) => void;
  onOpen: (component: string) => void;
}): JSX.Element {
  const { view, rows, units, stale, ablated, onToggle, onOpen } = props;
  const { session } = view;
  const { n_layers, n_heads } = session.info.value;
  const values = useMemo(() => {
    const grid = new Float32Array(n_layers * n_heads).fill(Number.NaN);
    for (const { layer, head, current } of rows) {
      if (layer === null || head === null || current === null) continue;
      grid[layer * n_heads + head] = current;
    }
    return grid;
  }, [rows, n_layers, n_heads]);
  const layers = useMemo(() => names("L", n_layers), [n_layers]);
  const heads = useMemo(() => names("H", n_heads), [n_heads]);
  const ramp = useRamp([values], { scale: "diverging", of: units });
  const { layer, head } = session.selection.value;
  const selected = useMemo(() => [{ row: layer, col: head }], [layer, head]);
  const preview = session.preview.value;
  const previewed = useMemo(
    () => preview && { row: preview.layer, col: preview.head },
    [preview?.layer, preview?.head],
  );
  const cell = useCallback((row: number, col: number) => {
    const name = headLabel(row, col);
    return { name, attributes: { "data-head": name } };
  }, []);
  const off = useCallback(
    (index: number) =>
      ablated.has(headLabel(Math.floor(index / n_heads), index % n_heads)) ||
      ablated.has(`L${Math.floor(index / n_heads)}.attn`),
    [ablated, n_heads],
  );
  const nameOf = ({ row, col }: MapCell) => headLabel(row, col);
  return (
    <div class="lw-attr-map">
      <HeatMap
        label="direct effects, layers by heads"
        rows={layers}
        cols={heads}
        values={values}
        ramp={ramp}
        units={units}
        cell={cell}
        ablated={off}
        selected={selected}
        previewed={previewed}
        stale={stale}
        maxHeight={380}
        onSelect={(cells) => {
          const last = cells.at(-1);
          if (last) session.select({ layer: last.row, head: last.col });
        }}
        onOpen={(at) => onOpen(nameOf(at))}
        onToggle={(at) => onToggle(nameOf(at))}
        onHover={(at) => {
          session.preview.value = at && { layer: at.row, head: at.col };
        }}
      />
      <MapLegend ramp={ramp} kind="diverging" units={units} />
    </div>
  );
}

function names(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i}`);
}
