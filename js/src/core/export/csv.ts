import type { Dataset } from "../state/dataset";

/** Comma-separated values at full precision; null, undefined and NaN are empty fields. */
export function csv(
  header: readonly string[],
  rows: Iterable<readonly (string | number | null | undefined)[]>,
): string {
  const lines = [header, ...rows].map((row) => row.map(csvField).join(","));
  return `${lines.join("\n")}\n`;
}

export function csvField(value: string | number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A grid of numbers with its row and column names; null while there are no numbers. */
export function gridCsv(
  rows: readonly string[],
  cols: readonly string[],
  values: Float32Array | null,
): string | null {
  if (!values) return null;
  const lines = rows.map((name, row) => [
    name,
    ...cols.map((_, col) => values[row * cols.length + col]),
  ]);
  return csv(["", ...cols], lines);
}

/** How a dataset becomes a table. */
export interface TableOptions {
  /** The dimensions that have a line for each cell; without it those of the largest variables. */
  along?: readonly string[];
  /** What the places along a dimension are called: tokens. They get a column of their own. */
  names?: Readonly<Record<string, readonly string[]>>;
}

/**
 * A dataset as one table: a line for each cell along the dimensions of its largest variables, a column for
 * each of these dimensions and for every variable that lies along some of them.
 */
export function datasetCsv(data: Dataset, { along, names = {} }: TableOptions = {}): string {
  const sizeOf = (dims: readonly string[]) =>
    dims.reduce((size, dim) => size * (data.dims[dim] ?? 1), 1);
  const variables = data.names.map((name) => ({ name, dims: data.dimsOf(name) }));
  const largest = variables.reduce<readonly string[]>(
    (best, { dims }) => (sizeOf(dims) > sizeOf(best) ? dims : best),
    [],
  );
  const main = along ?? largest;
  const shown = variables.filter(({ dims }) => dims.every((dim) => main.includes(dim)));
  const named = new Set(shown.map(({ name }) => name));
  const columns: Column[] = [
    ...main.filter((dim) => !named.has(dim)).map((dim) => ({ name: dim, dims: [dim] })),
    ...main.flatMap((dim) => shown.filter(({ name }) => name === dim)),
    ...main.flatMap((dim) => {
      const values = names[dim];
      return values ? [{ name: dim.replace("pos", "token"), dims: [dim], values }] : [];
    }),
    ...shown.filter(({ name }) => !main.includes(name)),
  ];
  const read = columns.map(({ name, values }) => {
    if (values) return values;
    if (!named.has(name)) return null;
    return data.isText(name) ? data.texts(name) : data.whole(name);
  });
  const rows = Array.from({ length: sizeOf(main) }, (_, cell) => {
    const at: Record<string, number> = {};
    let rest = cell;
    for (const dim of [...main].reverse()) {
      const size = data.dims[dim] ?? 1;
      at[dim] = rest % size;
      rest = Math.floor(rest / size);
    }
    return columns.map(({ dims }, column) => {
      const flat = dims.reduce((i, dim) => i * (data.dims[dim] ?? 1) + (at[dim] ?? 0), 0);
      return read[column]?.[flat] ?? (read[column] ? null : flat);
    });
  });
  return csv(
    columns.map(({ name }) => name),
    rows,
  );
}

interface Column {
  name: string;
  dims: readonly string[];
  /** Where it is no variable of the dataset. */
  values?: readonly string[];
}
