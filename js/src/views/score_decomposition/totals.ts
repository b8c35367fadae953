/** Sums of a square of parts. Pure. */

/** The parts with one more row and column of sums; the corner is the sum of everything. */
export function withTotals(parts: Float32Array, n: number): Float32Array {
  const out = new Float32Array((n + 1) * (n + 1));
  const columns = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) {
      const value = parts[i * n + j] ?? 0;
      out[i * (n + 1) + j] = value;
      sum += value;
      columns[j] = (columns[j] ?? 0) + value;
    }
    out[i * (n + 1) + n] = sum;
    columns[n] = (columns[n] ?? 0) + sum;
  }
  out.set(columns, n * (n + 1));
  return out;
}

/** What is shown of two runs. */
export function ofRun(
  which: "current" | "baseline" | "difference",
  current: Float32Array,
  baseline: Float32Array,
): Float32Array {
  if (which === "current") return current;
  if (which === "baseline") return baseline;
  return current.map((value, i) => value - (baseline[i] ?? 0));
}
