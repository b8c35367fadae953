import type { Box } from "../../core/parts/tokens/layout";

/**
 * Left and top of a card hung under its chip, kept inside `bounds` horizontally. It never goes above
 * the chip: what is below the strip may be covered for a moment, what is being read may not.
 */
export function placeCard(
  chip: Box,
  cardWidth: number,
  bounds: Box,
): { left: number; top: number } {
  const room = bounds.left + bounds.width - cardWidth;
  const left = Math.max(bounds.left, Math.min(chip.left, room));
  return { left, top: chip.top + chip.height + 6 };
}
