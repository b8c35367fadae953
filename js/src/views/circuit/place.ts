import { parseHead } from "../../core/draw/format";

/** What can stand in the graph. */
export interface Size {
  layers: number;
  heads: number;
  width: number;
  /** What the graph may be high; less for few layers. */
  tall?: number;
}

export interface Point {
  x: number;
  y: number;
}

/** Where every node of a model stands: fixed, so that a change of the circuit's size moves none. */
export interface Places {
  width: number;
  height: number;
  /** Between the centres of two heads, and of two layers. */
  column: number;
  row: number;
  at: (node: string) => Point;
  /** Layers whose name is written, with its height. */
  labels: readonly { layer: number; y: number }[];
}

const TOP = 16;
const LEFT = 34;
const RIGHT = 30;
/** A layer is no taller than this, and the graph no taller than that. */
const ROW = 46;
const TALL = 520;
const LABEL = 14;

export function placesOf({ layers, heads, width, tall = TALL }: Size): Places {
  const row = Math.min(ROW, (tall - 2 * TOP) / (layers + 1));
  const height = Math.round(row * (layers + 1) + 2 * TOP);
  const column = (width - LEFT - RIGHT - 20) / Math.max(1, heads);
  const bottom = height - TOP;
  const middle = LEFT + (column * heads) / 2;
  const layerAt = (layer: number) => bottom - row * (layer + 1);
  const at = (node: string): Point => {
    const head = parseHead(node);
    if (head) return { x: LEFT + column * (head.head + 0.5), y: layerAt(head.layer) };
    const mlp = /^L(\d+)\.mlp$/.exec(node);
    // It reads what the heads of its layer wrote: half a step above them.
    if (mlp) return { x: width - RIGHT, y: layerAt(Number(mlp[1])) - row * 0.4 };
    return { x: middle, y: node === "logits" ? TOP : bottom };
  };
  const every = Math.max(1, Math.ceil(LABEL / row));
  const labels = Array.from({ length: layers }, (_, layer) => layer)
    .filter((layer) => layer % every === 0)
    .map((layer) => ({ layer, y: layerAt(layer) }));
  return { width, height, column, row, at, labels };
}

/** The part of the model that reads: `L1H4` of `L1H4.q`. Of `L1KV0.k`, which several heads share, the first. */
export function nodeOf(reader: string, headsPerGroup = 1): string {
  const shared = /^L(\d+)KV(\d+)\.[kv]$/.exec(reader);
  if (shared) return `L${shared[1]}H${Number(shared[2]) * headsPerGroup}`;
  return reader.replace(/\.[qkv]$/, "");
}

/** A head's query is read at the left of its box, its key in the middle, its value at the right. */
export function slotOf(reader: string): number {
  return { q: -5, k: 0, v: 5 }[/\.([qkv])$/.exec(reader)?.[1] ?? ""] ?? 0;
}

/** A line that leaves its writer upwards and comes to its reader from below. */
export function curveBetween(from: Point, to: Point): string {
  const bend = Math.max(12, (from.y - to.y) / 2);
  return `M${from.x} ${from.y}C${from.x} ${from.y - bend} ${to.x} ${to.y + bend} ${to.x} ${to.y}`;
}
