import { MAX_REPLY_BYTES } from "../../generated/messages";
import type { Zoom } from "./layout";
import type { Picture } from "./picture";
import { isInside } from "./range";

/** The side of the largest square that a message holds exactly: cells and their positions at 4 bytes. */
export const LARGEST_SQUARE = Math.floor(Math.sqrt(MAX_REPLY_BYTES / 4 + 1) - 1);
/** More than what is on show is asked for, so that the next small step shows exact cells at once. */
const MARGIN = 1.5;

/**
 * The whole cells to ask for so that a zoom shows exact ones only. Null where the pattern of `count`
 * positions is exact anyway, and where more is on show than a message holds.
 */
export function exactSquare(zoom: Zoom | null, count: number): Zoom | null {
  const needed = zoom ? Math.min(count, Math.ceil(zoom.span) + 1) : count;
  if (!zoom || count <= LARGEST_SQUARE || needed > LARGEST_SQUARE) return null;
  const most = Math.min(count, LARGEST_SQUARE, MARGIN * needed);
  const margin = Math.floor((most - needed) / 2);
  const span = needed + 2 * margin;
  const from = (start: number) => Math.max(0, Math.min(count - span, Math.floor(start) - margin));
  return { q0: from(zoom.q0), k0: from(zoom.k0), span };
}

/**
 * Which cells of large patterns of `count` positions are rounded, and what makes them exact; "" where none
 * are. `live`: somebody can be asked.
 */
export function roundedWords(
  pictures: readonly (Picture | null)[],
  zoom: Zoom | null,
  count: number,
  live: boolean,
  isPreview: boolean,
): string {
  if (live && count <= LARGEST_SQUARE) return "";
  const rounded = pictures.filter((picture) => picture && !picture.exact);
  const rest = rounded.find((picture) => !isInside(zoom, picture?.part ?? null));
  if (!rest) return rounded.length > 0 ? "Cells on show are exact." : "";
  const of = rest.pool > 1 ? `, each the largest of ${rest.pool} × ${rest.pool}` : "";
  const exact = live
    ? exactSquare(zoom, count)
      ? isPreview
        ? "choose the head for exact ones"
        : "exact ones when the zoom rests"
      : "zoom in for exact ones"
    : "exact ones need a running kernel";
  return `Cells are rounded${of}; ${exact}.`;
}
