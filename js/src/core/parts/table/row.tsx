import type { ComponentChildren, JSX } from "preact";
import { useCachedMarkup } from "../cached_markup";

export interface Cell {
  content: ComponentChildren;
  /** At full precision; null where there is none, undefined where the cell shows no value. */
  value?: number | string | null | undefined;
  title?: string | undefined;
  class?: string;
  attributes?: Readonly<Record<`data-${string}`, string | undefined>>;
  /** Drawings that the other cells say in numbers are not read out. */
  drawn?: boolean;
  /** Read out when it changes. */
  live?: boolean;
}

export interface Column<R, Id extends string = string> {
  /** Also `data-column` of its cells, where they have a value. */
  id: Id;
  head: string;
  /** What it is called aloud, as in "sort by change"; its head if that is a word. */
  name?: string;
  title?: string;
  numeric?: boolean;
  /** In a table that is sorted by its heads: this one does not sort. */
  unsorted?: boolean;
  /** Whether its cells name their rows. */
  names?: boolean;
  cell: (row: R) => Cell;
  /** Its cell in the last row; made for each rendering, as markup must not be kept with the columns. */
  total?: () => Cell;
}

/** Rows that open: to a detail below them, or to the rows that follow, which are the caller's. */
export interface Open<R> {
  /** Null where a row has nothing to open. */
  isOpen: (row: R) => boolean | null;
  onTurn: (row: R, open: boolean) => void;
  /**
   * What the button that opens a row is called: "what L1H4 is made of". Without it the whole row opens,
   * and is not chosen.
   */
  button?: (key: string) => string;
  /** What is shown below the row of this key, in a height of its own; longer contents scroll inside. */
  detail?: { of: string; content: ComponentChildren; height: number } | null;
}

/** One cell of a row or of the total. */
export function DataCell(props: {
  id: string;
  numeric: boolean | undefined;
  names: boolean | undefined;
  cell: Cell;
}): JSX.Element {
  const { id, numeric, names, cell } = props;
  const { value, title, attributes, drawn, live } = cell;
  const classes = [numeric && "lw-num", cell.class].filter(Boolean).join(" ");
  return (
    <span
      role={names ? "rowheader" : "gridcell"}
      tabIndex={-1}
      class={classes || undefined}
      title={title}
      data-column={names || value !== undefined ? id : undefined}
      data-value={value === undefined ? undefined : value === null ? "" : String(value)}
      aria-hidden={drawn}
      aria-live={live ? "polite" : undefined}
      {...attributes}
    >
      {cell.content}
    </span>
  );
}

export interface TableRowProps<R> {
  name: string;
  row: R;
  columns: readonly Column<R>[];
  deps: (row: R) => readonly unknown[];
  attributes: ((row: R) => RowAttributes) | undefined;
  level: number | undefined;
  /** Position among all rows, header included, as a screen reader counts. */
  index: number;
  /** Null where the row cannot be chosen. */
  selected: boolean | null;
  previewed: boolean;
  inTabOrder: boolean;
  /** Null where the row has nothing to open. */
  open: boolean | null;
  button: ((key: string) => string) | undefined;
}

/** Names and states on a row's element. */
export interface RowAttributes {
  readonly title?: string;
  readonly [name: `data-${string}`]: string | undefined;
}

/** One row. A reply makes new row objects; only those whose `deps` differ are rendered again. */
export function TableRow<R>(props: TableRowProps<R>): JSX.Element {
  const { name, row, columns, deps, index, selected, previewed, inTabOrder, open, button } = props;
  const { level } = props;
  return useCachedMarkup(
    () => (
      <div
        class="lw-table-row"
        role="row"
        aria-rowindex={index}
        aria-level={level}
        aria-selected={selected ?? undefined}
        aria-expanded={button ? undefined : (open ?? undefined)}
        data-row-key={name}
        data-previewed={previewed}
        tabIndex={inTabOrder ? 0 : -1}
        {...props.attributes?.(row)}
      >
        {columns.map(({ id, numeric, names, cell }) => {
          const said = cell(row);
          const shown =
            names && open !== null
              ? { ...said, content: <Opener label={button?.(name)} open={open} said={said} /> }
              : said;
          return <DataCell key={id} {...{ id, numeric, names }} cell={shown} />;
        })}
      </div>
    ),
    // A row keeps its number of dependencies for as long as it has its key.
    [name, columns, index, selected, previewed, inTabOrder, open, level, ...deps(row)],
  );
}

function Opener(props: { label: string | undefined; open: boolean; said: Cell }): JSX.Element {
  const { label, open, said } = props;
  const caret = (
    <span class="lw-table-caret" aria-hidden="true">
      {open ? "▾" : "▸"}
    </span>
  );
  if (label === undefined) {
    return (
      <>
        {caret} {said.content}
      </>
    );
  }
  return (
    <button
      type="button"
      class="lw-table-open"
      tabIndex={-1}
      aria-expanded={open}
      aria-label={label}
    >
      {said.content}
      {caret}
    </button>
  );
}
