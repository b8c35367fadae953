import type { JSX, TargetedKeyboardEvent } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, parseHead } from "../../core/draw/format";
import type { Edge } from "./edges";
import { curveBetween, nodeOf, type Places, slotOf } from "./place";

/** A character of a node's name, and what its box has beside it. */
const CHARACTER = 6;
const BESIDE = 3;
const BOX = { width: 22, height: 15 };

export interface GraphProps {
  places: Places;
  layers: number;
  heads: number;
  /** Layers that have an MLP. */
  mlps: readonly number[];
  headsPerGroup: number;
  /** Strongest first. */
  edges: readonly Edge[];
  cut: ReadonlySet<string>;
  ablated: ReadonlySet<string>;
  group: ReadonlySet<string>;
  groupName: string;
  chosen: Edge | null;
  node: string | null;
  hovered: Edge | null;
  stale: boolean;
  onHover: (edge: Edge | null) => void;
  onEdge: (edge: Edge) => void;
  onNode: (node: string, together: boolean) => void;
}

/**
 * The circuit over the model's own grid, layers upwards. For the mouse; the table below it has the same
 * edges for the keyboard and to be read aloud.
 */
export function Graph(props: GraphProps): JSX.Element {
  const { places, layers, heads, mlps, headsPerGroup, edges, group } = props;
  const { width, height, at, labels } = places;
  const inside = useMemo(
    () => new Set(edges.flatMap(({ writer, reader }) => [writer, nodeOf(reader, headsPerGroup)])),
    [edges, headsPerGroup],
  );
  const dots = useMemo(() => {
    const all: string[] = [];
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) all.push(`L${layer}H${head}`);
      if (mlps.includes(layer)) all.push(`L${layer}.mlp`);
    }
    return all;
  }, [layers, heads, mlps]);
  const largest = Math.max(1e-9, ...edges.map(({ score }) => Math.abs(score)));
  const shown = [...inside, ...[...group].filter((node) => !inside.has(node))];
  return (
    <svg
      class="lw-circuit-graph"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="group"
      aria-label={`circuit of ${edges.length} edges; the table below lists them`}
      data-edges={edges.length}
      data-nodes={inside.size}
      data-stale={props.stale}
    >
      {labels.map(({ layer, y }) => (
        <text key={layer} class="lw-circuit-layer" x={2} y={y + 4}>
          L{layer}
        </text>
      ))}
      {dots.map((node) => {
        const { x, y } = at(node);
        return <circle key={node} class="lw-circuit-dot" cx={x} cy={y} r={1.2} />;
      })}
      {[...edges].reverse().map((edge) => (
        <EdgeLine key={edge.label} edge={edge} largest={largest} {...props} />
      ))}
      {group.size > 0 && <GroupFrame nodes={[...group]} name={props.groupName} places={places} />}
      {shown.map((node) => (
        <Node key={node} {...props} of={node} />
      ))}
    </svg>
  );
}

function EdgeLine(props: GraphProps & { edge: Edge; largest: number }): JSX.Element {
  const { edge, largest, places, headsPerGroup, cut, chosen, hovered } = props;
  const from = places.at(edge.writer);
  const to = places.at(nodeOf(edge.reader, headsPerGroup));
  const half = BOX.height / 2;
  const d = curveBetween(
    { x: from.x, y: from.y - half },
    { x: to.x + slotOf(edge.reader), y: to.y + half },
  );
  const share = Math.abs(edge.score) / largest;
  const isCut = cut.has(edge.label);
  const picked = chosen?.label === edge.label || hovered?.label === edge.label;
  // What changes its sign from prompt to prompt fades; 0.5 is chance.
  const sure = Number.isNaN(edge.stability) ? 1 : Math.max(0, 2 * edge.stability - 1);
  return (
    <g
      class="lw-circuit-edge"
      data-edge={edge.label}
      data-sign={edge.score < 0 ? "minus" : "plus"}
      data-cut={isCut}
      data-picked={picked}
      onPointerEnter={() => props.onHover(edge)}
      onPointerLeave={() => props.onHover(null)}
      {...pressed(edge.label, () => props.onEdge(edge))}
    >
      <path class="lw-circuit-hit" d={d} />
      <path
        d={d}
        stroke-width={0.7 + 4.3 * share}
        stroke-opacity={picked ? 1 : 0.25 + 0.65 * sure}
      />
    </g>
  );
}

function Node(props: GraphProps & { of: string }): JSX.Element {
  const { of: node, places, ablated, group } = props;
  const { x, y } = places.at(node);
  const head = parseHead(node);
  const width = head ? Math.min(BOX.width, places.column - 1) : node.endsWith(".mlp") ? 28 : 44;
  const height = Math.min(BOX.height, Math.max(6, places.row - 1));
  const text = head ? `H${head.head}` : node.endsWith(".mlp") ? "mlp" : node;
  // Neighbours' names must not touch.
  const named = !head || places.column >= CHARACTER * text.length + BESIDE;
  const spoken = text === node ? node : `${text} of ${node.replace(/H\d+$|\.mlp$/, "")}`;
  return (
    <g
      class="lw-circuit-node"
      data-node={node}
      data-chosen={props.node === node}
      data-ablated={ablated.has(node)}
      data-grouped={group.has(node)}
      {...pressed(spoken, (together) => props.onNode(node, together))}
    >
      <rect x={x - width / 2} y={y - height / 2} width={width} height={height} rx={3} />
      {named && height > 9 && (
        <text x={x} y={y + 3.5}>
          {text}
        </text>
      )}
    </g>
  );
}

/** What makes a part of a drawing a button. None is a tab stop: there are too many. */
export function pressed(name: string, act: (together: boolean) => void) {
  return {
    role: "button" as const,
    tabIndex: -1,
    "aria-label": name,
    onClick: ({ shiftKey }: { shiftKey: boolean }) => act(shiftKey),
    onKeyDown: (event: TargetedKeyboardEvent<SVGGElement>) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      act(event.shiftKey);
    },
  };
}

function GroupFrame(props: {
  nodes: readonly string[];
  name: string;
  places: Places;
}): JSX.Element {
  const points = props.nodes.map(props.places.at);
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const [left, top] = [Math.min(...xs) - 16, Math.min(...ys) - 13];
  return (
    <g class="lw-circuit-group" data-group={props.name}>
      <rect
        x={left}
        y={top}
        width={Math.max(...xs) + 16 - left}
        height={Math.max(...ys) + 13 - top}
        rx={4}
      />
      <text x={left} y={top - 3}>
        {props.name}
      </text>
    </g>
  );
}

/** `L0H1 → L1H4.k +0.612, in 97 % of resamples` */
export function edgeText({ label, score, stability }: Edge): string {
  const sure = Number.isNaN(stability)
    ? ""
    : `, same sign in ${fixed(100 * stability, 0)} % of resamples`;
  return `${label} ${score > 0 ? "+" : ""}${fixed(score, 3)}${sure}`;
}
