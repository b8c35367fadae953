import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import type { Ramp } from "../../core/draw/canvas";
import { fixed, headLabel, signed } from "../../core/draw/format";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import type { NumArray } from "../../core/state/arrays";
import type { ViewHandle } from "../../core/state/handle";
import { cellKey } from "../../core/state/interventions";
import { type Axes, cellAt, cellName, type MapOf, shortName, trust, trustTitle } from "./layout";

const NONE: readonly MapCell[] = [];

export interface ShownMap {
  map: MapOf;
  axes: Axes;
  values: NumArray;
  sem: NumArray;
  exact: NumArray;
}

/** How many cells of a map have their number written: the others are read off below it. */
const NUMBERS = 10;

/** ".34" and "−.16": cells are narrow, and their colours tell the sign. */
function inCell(value: number): string {
  return fixed(value).replace(/^(\D?)0\./, "$1.");
}

const threeDigits = (value: number) => signed(value, 3);

/** One map: click or brush keeps patches, double click selects the head for the other views. */
export function OneMap(props: {
  view: ViewHandle;
  shown: ShownMap;
  tokens: readonly string[];
  ramp: Ramp;
  units: string;
  partial: boolean;
  stale: boolean;
}): JSX.Element {
  const { view, shown, tokens, ramp, units, partial, stale } = props;
  const { map, axes, values, sem, exact } = shown;
  const { session } = view;
  const keys = session.changes.keptCells.value;
  const width = axes.cols.length;
  const modelHeads = session.info.value.n_heads;

  const cell = useCallback(
    (row: number, col: number) => {
      const place = cellAt(map, axes, row, col);
      return {
        name: cellName(place, map.title, tokens, { here: axes.heads, model: modelHeads }),
        short: shortName(axes, row, col),
        attributes: {
          "data-node": map.node,
          "data-layer": place.layer,
          "data-head": place.head === null ? undefined : headLabel(place.layer, place.head),
          "data-pos": place.pos ?? undefined,
          "data-exact": exact.data[row * width + col] ? "true" : "false",
          "data-kept": keys.has(cellKey(place)) ? "true" : "false",
        },
      };
    },
    [map, axes, exact, tokens, width, keys, axes.heads, modelHeads],
  );
  const estimated = useCallback((index: number) => !exact.data[index], [exact]);
  const inForce = useCallback(
    (index: number) =>
      keys.has(cellKey(cellAt(map, axes, Math.floor(index / width), index % width))),
    [keys, map, axes, width],
  );
  const places = (cells: readonly MapCell[]) =>
    cells
      .filter(({ row, col }) => !Number.isNaN(values.data[row * width + col]))
      .map(({ row, col }) => cellAt(map, axes, row, col));
  const choose = (cells: readonly MapCell[]) => {
    const chosen = places(cells);
    if (chosen.length > 0) session.togglePatches(view, chosen);
  };
  const open = (at: MapCell) => {
    const { layer, head, pos } = cellAt(map, axes, at.row, at.col);
    session.select({
      layer,
      ...(head === null || map.node === "k" || map.node === "v" ? {} : { head }),
      ...(pos === null ? {} : { query_pos: pos }),
    });
  };
  const selection = session.selection.value;
  const { layer, head } = selection;
  const marked = useMemo(
    () =>
      map.dims.length === 2 && map.dims[1] === "head"
        ? [{ row: layer, col: Math.floor((head * axes.heads) / modelHeads) }]
        : NONE,
    [map.dims, axes.heads, modelHeads, layer, head],
  );
  const { n_exact } = map;
  return (
    <div class="lw-patch-map" data-node={map.node} data-n-exact={n_exact}>
      <HeatMap
        label={`${map.title}: ${axes.titles.rows} by ${axes.titles.cols}`}
        title={`${map.title}${axes.note}`}
        rows={axes.rows}
        cols={axes.cols}
        {...(axes.titles.cols === "position" && { axes: axes.titles })}
        values={values.data}
        ramp={ramp}
        units={units}
        cell={cell}
        missing={partial ? "unknown" : "absent"}
        estimated={estimated}
        ablated={inForce}
        errors={sem.data}
        format={threeDigits}
        {...(axes.titles.cols !== "position" && { rowHeight: 16 })}
        cellText={inCell}
        numbers={NUMBERS}
        marked={marked}
        stale={stale}
        onSelect={choose}
        onToggle={(at) => choose([at])}
        onOpen={open}
      />
      <div class="lw-patch-trust lw-num" title={trustTitle(map)}>
        {trust(map)}
      </div>
    </div>
  );
}
