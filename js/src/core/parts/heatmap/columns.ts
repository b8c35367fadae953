/** How maps stand side by side. Pure. */

/**
 * Columns for some maps of equal size: as many as there is room for, and no more than fill their rows
 * evenly, so that five maps are 5, 3 + 2 or 2 + 2 + 1, never 4 + 1.
 *
 * `least` is what one map needs, in CSS pixels.
 */
export function mapColumns(maps: number, width: number, least: number, gap: number): number {
  const fitting = Math.max(1, Math.min(maps, Math.floor((width + gap) / (least + gap))));
  const rows = Math.ceil(maps / fitting);
  return Math.max(1, Math.ceil(maps / rows));
}

/** The width that a map of heads needs: names of layers, and cells that can still be told apart. */
export function headMapWidth(heads: number): number {
  return 36 + heads * (heads <= 16 ? 9 : 4);
}
