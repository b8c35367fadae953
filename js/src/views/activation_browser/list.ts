/** Activations as rows: expanded from their groups, searched, and put into sections. Pure. */

import type { ActivationGroup } from "../../generated/activation_browser";

export interface ActivationRow {
  name: string;
  aliases: readonly string[];
  layer: number | null;
  /** What `cache[...]` takes: `"resid_pre", 3`; empty where there is no short name. */
  key: string;
  dims: readonly string[];
  shape: readonly number[];
  bytes: number | null;
  /** The kind that it is one of, through all layers. */
  group: ActivationGroup;
}

export interface Section {
  id: string;
  title: string;
  rows: readonly ActivationRow[];
  bytes: number;
}

export const HEAD_DIMS: readonly string[] = ["head", "key_value_head"];
export const POS_DIMS: readonly string[] = ["pos", "query_pos", "key_pos"];

/** Every activation, one row each, in the order of their groups and layers. */
export function expand(groups: readonly ActivationGroup[]): ActivationRow[] {
  return groups.flatMap((group) =>
    (group.layers.length > 0 ? group.layers : [null]).map((layer) => {
      const named = (name: string) => name.replace("{layer}", String(layer));
      return {
        name: named(group.name),
        aliases: group.aliases.map(named),
        layer,
        key: cacheKey(group.short, layer),
        dims: group.dims,
        shape: group.shape,
        bytes: group.n_bytes,
        group,
      };
    }),
  );
}

function cacheKey(short: readonly string[], layer: number | null): string {
  const [first, ...rest] = short.map((part) => JSON.stringify(part));
  if (first === undefined) return "";
  return [first, ...(layer === null ? [] : [String(layer)]), ...rest].join(", ");
}

/**
 * Rows that have every word: "3 attn" is layer 3's attention. A number, also as "L3", is a layer;
 * any other word is a part of a name.
 */
export function search(rows: readonly ActivationRow[], text: string): readonly ActivationRow[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const names = [row.name, ...row.aliases, row.key].join(" ").toLowerCase();
    return words.every((word) => {
      const layer = /^l?(\d+)$/.exec(word);
      return layer ? row.layer === Number(layer[1]) : names.includes(word);
    });
  });
}

/** The rows of each layer, what lies before the blocks and after them; or of each hook. */
export function sections(rows: readonly ActivationRow[], by: "layer" | "hook"): Section[] {
  const found = new Map<string, { title: string; order: number; rows: ActivationRow[] }>();
  let inBlocks = false;
  for (const row of rows) {
    inBlocks ||= row.layer !== null;
    const outside = inBlocks ? "after the blocks" : "before the blocks";
    const title =
      by === "hook"
        ? row.group.name.replace("blocks.{layer}.", "")
        : row.layer === null
          ? outside
          : `layer ${row.layer}`;
    const order = by === "hook" ? 0 : (row.layer ?? (inBlocks ? Number.POSITIVE_INFINITY : -1));
    const id = by === "hook" ? `${title} ${row.shape.join()}` : title;
    const section = found.get(id) ?? { title, order, rows: [] };
    section.rows.push(row);
    found.set(id, section);
  }
  return [...found]
    .map(([id, section]) => ({ id, ...section }))
    .sort((a, b) => (a.order === b.order ? 0 : a.order - b.order))
    .map(({ id, title, rows: own }) => ({
      id,
      title,
      rows: own,
      bytes: own.reduce((sum, row) => sum + (row.bytes ?? 0), 0),
    }));
}

/** The row of a hook's name, whichever of its names that is. */
export function rowOf(rows: readonly ActivationRow[], name: string): ActivationRow | null {
  return rows.find((row) => row.name === name || row.aliases.includes(name)) ?? null;
}

/** "2 × 15 × 128"; a question mark for a length that is not known before the run. */
export function shapeText(shape: readonly number[]): string {
  return shape.map((length) => (length < 0 ? "?" : String(length))).join(" × ");
}

/** Millions of bytes, in two digits where there are few. */
export function megabytes(bytes: number | null): string {
  if (bytes === null) return "?";
  const value = bytes / 1e6;
  if (value >= 100) return value.toFixed(0);
  if (value > 0 && value < 1e-3) return "<0.001";
  return value >= 1 ? value.toFixed(1) : String(Number(value.toPrecision(2)));
}

/** A number of any size in so many digits, with a true minus; a dash where there is none. */
export function digits(value: number | null | undefined, count = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const plain = size >= 1e-3 && size < 1e6;
  const text = plain ? String(Number(size.toPrecision(count))) : size.toExponential(count - 1);
  return value < 0 ? `−${text}` : text;
}

/**
 * Where colours end: at the largest magnitude, unless a few numbers are so much larger than the
 * rest that all the rest would look like zero.
 */
export function colorEnd(values: Float32Array): { end: number; clipped: number } {
  const sizes = values.filter((value) => Number.isFinite(value)).map(Math.abs);
  sizes.sort();
  const largest = sizes.at(-1) ?? 0;
  const usual = sizes[Math.floor(0.99 * (sizes.length - 1))] ?? 0;
  if (usual === 0 || largest <= 5 * usual) return { end: largest, clipped: 0 };
  return { end: usual, clipped: sizes.length - upperBound(sizes, usual) };
}

function upperBound(sorted: Float32Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
