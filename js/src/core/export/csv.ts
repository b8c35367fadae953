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
