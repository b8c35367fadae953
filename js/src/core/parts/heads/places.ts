// Where a key moves in a grid of layers by heads, and what stands there. Pure.

import { headLabel } from "../../draw/format";
import type { HeadRef } from "../../state/session";

export interface HeadPlace {
  layer: number;
  /** The head, or the number of heads for the layer's MLP. */
  column: number;
}

/** The component at a place, as TransformerLens names it. */
export function componentAt({ layer, column }: HeadPlace, heads: number): string {
  return column < heads ? headLabel(layer, column) : `L${layer}.mlp`;
}

export function headAt(place: HeadPlace | null, heads: number): HeadRef | null {
  return place && place.column < heads ? { layer: place.layer, head: place.column } : null;
}

/** Where a key leads; null when it is not for moving. Layers without an MLP are skipped in its column. */
export function moveInHeads(
  key: string,
  place: HeadPlace,
  layers: number,
  heads: number,
  mlpLayers: ReadonlySet<number>,
): HeadPlace | null {
  const { layer, column } = place;
  const last = mlpLayers.has(layer) ? heads : heads - 1;
  /** The first layer from `from` on, a step at a time, that has this column. */
  const reach = (from: number, step: number): HeadPlace => {
    for (let at = from; at >= 0 && at < layers; at += step) {
      if (column < heads || mlpLayers.has(at)) return { layer: at, column };
    }
    return place;
  };
  switch (key) {
    case "ArrowLeft":
      return { layer, column: Math.max(0, column - 1) };
    case "ArrowRight":
      return { layer, column: Math.min(last, column + 1) };
    case "Home":
      return { layer, column: 0 };
    case "End":
      return { layer, column: last };
    case "ArrowUp":
      return reach(layer - 1, -1);
    case "ArrowDown":
      return reach(layer + 1, 1);
    case "PageUp":
      return reach(0, 1);
    case "PageDown":
      return reach(layers - 1, -1);
    default:
      return null;
  }
}

/** Every how many columns of this pitch a head's name is written, so that names never touch. */
export function namesEvery(pitch: number, heads: number): number {
  const widest = 8 + 7 * String(Math.max(0, heads - 1)).length;
  return Math.max(1, Math.ceil(widest / pitch));
}
