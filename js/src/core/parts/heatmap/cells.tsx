import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useCachedMarkup } from "../cached_markup";
import { cellRect, type MapLayout } from "./layout";
import type { CellInfo, CellState, MapCell } from "./types";

export interface CellLook extends CellInfo {
  words: string;
  /** The same for the line below the map. */
  line: string;
  value: number;
  state: CellState;
  selected: boolean;
  ablated: boolean;
}

interface RowProps {
  row: number;
  /** The columns that are elements: all of them, or those under mouse and focus. */
  cols: readonly number[];
  layout: MapLayout;
  look: (row: number, col: number) => CellLook;
  /** Selected columns as "0 3", so that rows without a change can be told apart. */
  selected: string;
  /** The column that the Tab key comes to; -1 when it is in another row. */
  cursor: number;
}

/** One row of a map's elements, transparent over the picture. Unchanged rows are skipped by Preact. */
function CellRow({ row, cols, layout, look, selected, cursor }: RowProps): JSX.Element {
  return useCachedMarkup(() => {
    const { y, height } = cellRect({ row, col: 0 }, layout);
    return (
      <div
        role="row"
        class="lw-map-row"
        aria-rowindex={row + 1}
        tabIndex={-1}
        style={{ top: `${y}px`, height: `${height}px` }}
      >
        {cols.map((col) => {
          const cell = look(row, col);
          const { x, width } = cellRect({ row, col }, layout);
          return (
            <div
              key={col}
              role="gridcell"
              class="lw-map-cell"
              aria-label={cell.words}
              aria-colindex={col + 1}
              aria-selected={cell.selected}
              tabIndex={col === cursor ? 0 : -1}
              data-row={row}
              data-col={col}
              data-value={Number.isNaN(cell.value) ? "" : String(cell.value)}
              data-state={cell.state}
              data-ablated={cell.ablated || undefined}
              style={{ left: `${x}px`, width: `${width}px` }}
              {...cell.attributes}
            />
          );
        })}
      </div>
    );
  }, [row, cols, layout, look, selected, cursor]);
}

/** The elements of a map: all cells of a small one; of a large one those under mouse and focus. */
export function CellLayer(props: {
  layout: MapLayout;
  dense: boolean;
  look: (row: number, col: number) => CellLook;
  selected: readonly MapCell[];
  cursor: MapCell;
  hover: MapCell | null;
}): JSX.Element {
  const { layout, dense, look, selected, cursor, hover } = props;
  const all = useMemo(() => Array.from({ length: layout.cols }, (_, col) => col), [layout.cols]);
  const few = useMemo(() => sparseRows(cursor, hover), [cursor, hover]);
  const rows = dense
    ? Array.from({ length: layout.rows }, (_, row) => ({ row, cols: all }))
    : few.filter(({ row }) => row < layout.rows);
  return (
    <>
      {rows.map(({ row, cols }) => (
        <CellRow
          key={row}
          row={row}
          cols={cols}
          layout={layout}
          look={look}
          selected={selectedIn(selected, row)}
          cursor={cursor.row === row ? cursor.col : -1}
        />
      ))}
    </>
  );
}

function sparseRows(cursor: MapCell, hover: MapCell | null): { row: number; cols: number[] }[] {
  if (!hover || hover.row === cursor.row) {
    const cols = hover && hover.col !== cursor.col ? [cursor.col, hover.col] : [cursor.col];
    return [{ row: cursor.row, cols: cols.sort((a, b) => a - b) }];
  }
  return [cursor, hover]
    .map(({ row, col }) => ({ row, cols: [col] }))
    .sort((a, b) => a.row - b.row);
}

function selectedIn(selected: readonly MapCell[], row: number): string {
  return selected.flatMap((cell) => (cell.row === row ? [cell.col] : [])).join(" ");
}
