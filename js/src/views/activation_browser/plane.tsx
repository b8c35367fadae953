import type { JSX } from "preact";
import { useCallback, useMemo, useState } from "preact/hooks";
import { HeatMap, type MapCell } from "../../core/heatmap/heatmap";
import { MapLegend } from "../../core/heatmap/legend";
import { useRamp } from "../../core/heatmap/ramp";
import { useStill } from "../../core/still";
import type { ActivationResult } from "../../generated/protocol";
import { colorEnd, digits, HEAD_DIMS, POS_DIMS } from "./list";

/** Two axes of the activation as a map. */
export function Plane(props: {
  result: ActivationResult;
  values: Float32Array;
  stale: boolean;
  onPick: (dim: string, index: number) => void;
}): JSX.Element {
  const { result, values, stale, onPick } = props;
  const { row_dim, column_dim, row_pool, column_pool } = result;
  const rows = useMemo(() => labels(result, "row"), [result]);
  const cols = useMemo(() => labels(result, "column"), [result]);
  const low = result[result.which].min ?? 0;
  const kind = low >= 0 && result.which !== "difference" ? "sequential" : "diverging";
  const { end, clipped } = useMemo(() => colorEnd(values), [values]);
  const ends = useMemo(() => Float32Array.of(end), [end]);
  const ramp = useRamp([ends], { scale: kind, of: `${result.activation} ${result.which}` });
  const [picked, setPicked] = useState<{ of: string; cells: readonly MapCell[] } | null>(null);
  const place = `${result.activation} ${row_dim} ${column_dim} ${result.prompt}`;
  const selected = picked?.of === place ? picked.cells : NONE;
  const cell = useCallback(
    (row: number, col: number) => {
      const down = spoken(row_dim, rows[row] ?? "", row * row_pool, row_pool);
      const across = spoken(column_dim, cols[col] ?? "", col * column_pool, column_pool);
      return {
        name: [down, across].filter(Boolean).join(", "),
        attributes: { "data-row-index": row * row_pool, "data-column-index": col * column_pool },
      };
    },
    [row_dim, column_dim, row_pool, column_pool, rows, cols],
  );
  const pooled = row_pool > 1 || column_pool > 1;
  const map = useStill(
    () => (
      <HeatMap
        label={`${result.activation}, ${row_dim || "value"} by ${column_dim || "value"}`}
        rows={rows}
        cols={cols}
        axes={AXES(row_dim, column_dim)}
        values={values}
        ramp={ramp}
        units=""
        cell={cell}
        cellText={null}
        format={exactly}
        square={column_dim === "key_pos"}
        maxHeight={440}
        stale={stale}
        selected={selected}
        onSelect={(cells) => {
          setPicked({ of: place, cells });
          const last = cells.at(-1);
          if (last) onPick(row_dim, last.row * row_pool);
        }}
      />
    ),
    [rows, cols, values, ramp, cell, stale, selected, place, onPick],
  );
  return (
    <div data-plane={result.activation} data-pool={`${row_pool} ${column_pool}`}>
      <MapLegend ramp={ramp} kind={kind} units={result.units} />
      {(pooled || clipped > 0) && (
        <p class="lw-said">
          {pooled && `a cell is the largest in magnitude of ${row_pool} × ${column_pool} numbers; `}
          {clipped > 0 && `${clipped} of ${values.length} cells lie beyond the end of the colours`}
        </p>
      )}
      {map}
    </div>
  );
}

const NONE: readonly MapCell[] = [];
const exactly = (value: number) => digits(value, 7);
const TITLES: Readonly<Record<string, string>> = {
  pos: "position",
  query_pos: "query",
  key_pos: "key",
  key_value_head: "key-value head",
};

function titleOf(dim: string): string {
  return TITLES[dim] ?? dim;
}

const AXES = (row: string, column: string) => ({
  rows: titleOf(row),
  cols: titleOf(column),
});

function labels(result: ActivationResult, side: "row" | "column"): string[] {
  const dim = side === "row" ? result.row_dim : result.column_dim;
  const size = side === "row" ? result.n_rows : result.n_columns;
  const pool = side === "row" ? result.row_pool : result.column_pool;
  if (dim === "") return [""];
  const { tokens } = result.tokens;
  return Array.from({ length: Math.ceil(size / pool) }, (_, i) => {
    const at = i * pool;
    if (POS_DIMS.includes(dim) && pool === 1) return tokens[at]?.text ?? String(at);
    return HEAD_DIMS.includes(dim) ? `H${at}` : String(at);
  });
}

function spoken(dim: string, label: string, index: number, pool: number): string {
  if (dim === "") return "";
  if (pool > 1) return `${titleOf(dim)} ${index} to ${index + pool - 1}`;
  return POS_DIMS.includes(dim) ? `${titleOf(dim)} ${index} ${label}` : `${titleOf(dim)} ${index}`;
}
