import type { JSX } from "preact";
import { useCallback, useMemo, useState } from "preact/hooks";
import { useCachedMarkup } from "../../core/parts/cached_markup";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { Button } from "../../core/parts/ui";
import type { Dataset } from "../../core/state/dataset";
import type { Slice } from "../../generated/activation_browser";
import { isPart, labels, type Side, sidesOf, span, spoken, titleOf } from "./axes";
import { colorEnd, digits } from "./list";

/** Where a part of a slice begins that is shown number by number. */
export interface Corner {
  row: number;
  column: number;
}

/** Two axes of the activation as a map. */
export function Plane(props: {
  plane: Dataset<Slice>;
  tokens: readonly string[];
  values: Float32Array;
  stale: boolean;
  onPick: (dim: string, index: number) => void;
  onCorner: (corner: Corner | null) => void;
}): JSX.Element {
  const { plane, tokens, values, stale, onPick, onCorner } = props;
  const { activation, prompt, show, units } = plane.attrs;
  const { row, column } = useMemo(() => sidesOf(plane), [plane]);
  const rows = useMemo(() => labels(row, tokens), [row, tokens]);
  const cols = useMemo(() => labels(column, tokens), [column, tokens]);
  const low = plane.numbers("min")[plane.texts("run").indexOf(show)] ?? 0;
  const kind = !(low < 0) && show !== "difference" ? "sequential" : "diverging";
  const { end, clipped } = useMemo(() => colorEnd(values), [values]);
  const ends = useMemo(() => Float32Array.of(end), [end]);
  const ramp = useRamp([ends], { scale: kind, of: `${activation} ${show}` });
  const [picked, setPicked] = useState<{ of: string; cells: readonly MapCell[] } | null>(null);
  const place = JSON.stringify([activation, prompt, row, column]);
  const selected = picked?.of === place ? picked.cells : NONE;
  const cell = useCallback(
    (down: number, across: number) => ({
      name: [spoken(row, down, rows[down] ?? ""), spoken(column, across, cols[across] ?? "")]
        .filter(Boolean)
        .join(", "),
      attributes: {
        "data-row-index": row.start + down * row.pool,
        "data-column-index": column.start + across * column.pool,
      },
    }),
    [row, column, rows, cols],
  );
  const pooled = row.pool > 1 || column.pool > 1;
  const axes = useMemo(
    () => ({ rows: titleOf(row.dim), cols: titleOf(column.dim) }),
    [row, column],
  );
  const map = useCachedMarkup(
    () => (
      <HeatMap
        label={`${activation}, ${row.dim || "value"} by ${column.dim || "value"}`}
        rows={rows}
        cols={cols}
        axes={axes}
        values={values}
        ramp={ramp}
        units=""
        cell={cell}
        cellText={null}
        format={exactly}
        square={column.dim === "key_pos"}
        maxHeight={440}
        stale={stale}
        selected={selected}
        onSelect={(cells) => {
          setPicked({ of: place, cells });
          const last = cells.at(-1);
          if (last) onPick(row.dim, row.start + last.row * row.pool);
        }}
        {...(pooled && {
          onOpen: (at: MapCell) =>
            onCorner({
              row: row.start + at.row * row.pool,
              column: column.start + at.col * column.pool,
            }),
        })}
      />
    ),
    [rows, cols, values, ramp, cell, stale, selected, place, pooled, onPick, onCorner],
  );
  return (
    <div data-plane={activation} data-pool={`${row.pool} ${column.pool}`}>
      <MapLegend ramp={ramp} kind={kind} units={units} />
      <Said row={row} column={column} clipped={clipped} onWhole={() => onCorner(null)} />
      {map}
    </div>
  );
}

/** What is not to be seen from the map alone: pooling, a part of the whole, cut colours. */
function Said(props: {
  row: Side;
  column: Side;
  clipped: number;
  onWhole: () => void;
}): JSX.Element | null {
  const { row, column, clipped, onWhole } = props;
  const parts = [row, column].filter(isPart);
  const said = [
    row.pool > 1 || column.pool > 1
      ? `a cell is the largest in magnitude of ${row.pool} × ${column.pool} numbers; double-click one to see every number from there`
      : "",
    parts.map(span).join(", "),
    clipped > 0
      ? `${clipped} of ${row.cells * column.cells} cells lie beyond the colours' end`
      : "",
  ].filter(Boolean);
  if (said.length === 0) return null;
  return (
    <p class="lw-said lw-num">
      {said.join("; ")}{" "}
      {parts.length > 0 && (
        <Button label="show the whole slice" onClick={onWhole}>
          whole
        </Button>
      )}
    </p>
  );
}

const NONE: readonly MapCell[] = [];
const exactly = (value: number) => digits(value, 7);
