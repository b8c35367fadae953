import { useCallback, useMemo } from "preact/hooks";
import { headLabel } from "../../draw/format";
import type { ViewHandle } from "../../state/handle";
import { isHeadAblated } from "../../state/interventions";
import type { HeatMapProps } from "../heatmap/heatmap";

export type HeadMap = Omit<HeatMapProps, "label" | "values" | "ramp" | "units">;

/** What all maps of layers by heads have in common: names, selection, preview and switches. */
export function useHeadMap(view: ViewHandle, stale: boolean): HeadMap {
  const { session } = view;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const { layer, head } = session.selection.value;
  const rows = useMemo(() => Array.from({ length: layers }, (_, i) => `L${i}`), [layers]);
  const cols = useMemo(() => Array.from({ length: heads }, (_, i) => `H${i}`), [heads]);
  const selected = useMemo(() => [{ row: layer, col: head }], [layer, head]);
  const preview = session.preview.value;
  const previewed = useMemo(
    () => preview && { row: preview.layer, col: preview.head },
    [preview?.layer, preview?.head],
  );
  const off = session.changes.ablated.value;
  const ablated = useCallback(
    (index: number) => isHeadAblated(off, Math.floor(index / heads), index % heads),
    [off, heads],
  );
  return {
    rows,
    cols,
    cell: headCell,
    selected,
    previewed,
    ablated,
    stale,
    maxHeight: 400,
    onSelect: (cells) => {
      const last = cells.at(-1);
      if (last) session.select({ layer: last.row, head: last.col });
    },
    onHover: (at) => {
      session.preview.value = at && { layer: at.row, head: at.col };
    },
    onToggle: ({ row, col }) => session.toggleAblation(view, headLabel(row, col)),
  };
}

function headCell(row: number, col: number) {
  const name = headLabel(row, col);
  return { name, attributes: { "data-head": name } };
}
