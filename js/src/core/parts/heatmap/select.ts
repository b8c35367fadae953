/** What clicks and drags do to a selection of cells. Pure. */

import type { MapCell } from "./types";

export function sameCell(a: MapCell | null, b: MapCell | null): boolean {
  return a !== null && b !== null && a.row === b.row && a.col === b.col;
}

export function includes(cells: readonly MapCell[], cell: MapCell): boolean {
  return cells.some((other) => sameCell(other, cell));
}

/** After a click: only this cell, or none when it was; with shift, this one added or taken out. */
export function afterClick(
  selected: readonly MapCell[],
  cell: MapCell,
  shift: boolean,
): readonly MapCell[] {
  if (shift) {
    const without = selected.filter((other) => !sameCell(other, cell));
    return without.length < selected.length ? without : [...selected, cell];
  }
  return selected.length === 1 && includes(selected, cell) ? [] : [cell];
}

/** After a drag from one cell to another: all of the rectangle, with shift added to the others. */
export function afterBrush(
  selected: readonly MapCell[],
  from: MapCell,
  to: MapCell,
  shift: boolean,
): readonly MapCell[] {
  const cells = cellsBetween(from, to);
  if (!shift) return cells;
  return [...selected, ...cells.filter((cell) => !includes(selected, cell))];
}

/** The rectangle's cells, row by row. */
export function cellsBetween(from: MapCell, to: MapCell): MapCell[] {
  const cells: MapCell[] = [];
  for (let row = Math.min(from.row, to.row); row <= Math.max(from.row, to.row); row++) {
    for (let col = Math.min(from.col, to.col); col <= Math.max(from.col, to.col); col++) {
      cells.push({ row, col });
    }
  }
  return cells;
}
