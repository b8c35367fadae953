/** The cells that matter: few enough that their numbers can be read. Pure. */

/** Below this share of the scale a cell is as good as without colour, and its number says nothing. */
const LEAST_SHADE = 0.05;

/**
 * Flat indices of the `count` cells that are farthest from the scale's zero, of those that have a colour;
 * of equals the first ones.
 */
export function strongestCells(
  values: Float32Array,
  count: number,
  shade: (value: number) => number,
): ReadonlySet<number> {
  const sizes: { index: number; size: number }[] = [];
  values.forEach((value, index) => {
    const size = Math.abs(shade(value));
    if (size >= LEAST_SHADE) sizes.push({ index, size });
  });
  sizes.sort((a, b) => b.size - a.size || a.index - b.index);
  return new Set(sizes.slice(0, count).map(({ index }) => index));
}
