import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, signed } from "../../core/draw/format";
import { type RankedItem, RankedList } from "../../core/parts/ranked/ranked";
import { Button, Switch, TokenText } from "../../core/parts/ui";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import { usePromptTokens } from "../../core/state/tokens";
import * as ask from "../../generated/circuit";
import type { Wanted } from "./agreement";
import { type Edge, readNodeEdges } from "./edges";
import { nodeOf } from "./place";

type Kind = NonNullable<(typeof ask.edge)["args"]>["cut_kind"];

/** How many positions are told of. */
const PLACES = 3;

/** One edge: its estimate, its exact effect, where along the prompt it acts, and its switch. */
export function ChosenEdge(props: {
  view: ViewHandle;
  edge: Edge;
  method: Wanted;
  kind: Kind;
  isCut: boolean;
  headsPerGroup: number;
  onCut: (edge: Edge, on: boolean) => void;
  onNode: (node: string) => void;
}): JSX.Element {
  const { view, edge, isCut, onCut } = props;
  const { writer, reader } = edge;
  const exact = useAnswer(view, ask.edge, { cut_kind: props.kind, writer, reader });
  const told = exact.stale ? null : exact.data;
  const along = useAnswer(
    view,
    ask.places,
    { edge_method: props.method, writer, reader },
    { quiet: true },
  );
  const known = along.stale ? null : along.data;
  const tokens = usePromptTokens(view, known?.attrs.tokens_of ?? 0);
  const places = useMemo(() => {
    const values = known?.numbers("score") ?? [];
    return Array.from(values, (value, pos) => ({ value, pos }))
      .filter(({ value }) => Math.abs(value) > 1e-6)
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
      .slice(0, PLACES);
  }, [known]);
  return (
    <section class="lw-circuit-chosen" aria-label="the chosen edge" data-chosen={edge.label}>
      <p>
        <b class="lw-mono">{edge.label}</b>
        <span>
          {[writer, nodeOf(reader, props.headsPerGroup)].map((node) => (
            <Button
              key={node}
              label={`look at ${node}`}
              title="what it reads and what reads it"
              onClick={() => props.onNode(node)}
            >
              {node}
            </Button>
          ))}
        </span>
        <span class="lw-num" title={told?.attrs.definition}>
          cutting it:{" "}
          <b data-change={told?.attrs.change ?? ""}>{told ? signed(told.attrs.change, 3) : "…"}</b>{" "}
          {told?.attrs.units}, exact
          <span class="lw-muted">; estimated {signed(-edge.score, 3)}</span>
        </span>
        <span class="lw-circuit-keep">
          <Switch label={`cut ${edge.label}`} checked={isCut} onToggle={(on) => onCut(edge, on)} />
          {isCut ? "cut" : "kept"}
        </span>
      </p>
      {places.length > 0 && (
        <p class="lw-muted lw-num">
          acts at{" "}
          {places.map(({ value, pos }, index) => (
            <span key={pos}>
              <TokenText text={tokens?.texts[pos] ?? `position ${pos}`} /> {signed(value, 3)}
              {index < places.length - 1 && ","}
            </span>
          ))}
          <span>by estimate</span>
        </p>
      )}
    </section>
  );
}

/** What a node reads and what reads it; a click on one of them walks along. */
export function ChosenNode(props: {
  view: ViewHandle;
  node: string;
  method: Wanted;
  grouped: boolean;
  onGroup: () => void;
  onEdge: (edge: { writer: string; reader: string }) => void;
}): JSX.Element {
  const { view, node, method, grouped, onGroup, onEdge } = props;
  const { data } = useAnswer(view, ask.node, { edge_method: method, node });
  const edges = useMemo(() => (data ? readNodeEdges(data) : []), [data]);
  const hi = Math.max(1e-9, ...edges.map(({ score }) => Math.abs(score)));
  const items = (into: boolean): RankedItem[] =>
    edges
      .filter(({ writer }) => (writer === node) !== into)
      .map(({ writer, reader, label, score }) => ({
        id: label,
        text: into ? `${writer} → ${reader.split(".").at(-1)}` : reader,
        value: score,
        attributes: { "data-edge": label },
      }));
  const pick = (item: RankedItem) => {
    const edge = edges.find(({ label }) => label === item.id);
    if (edge) onEdge(edge);
  };
  return (
    <section class="lw-circuit-chosen" aria-label="the chosen node" data-chosen={node}>
      <p>
        <b class="lw-mono">{node}</b>
        {node !== "logits" && (
          <Button
            label={grouped ? "take out of the group" : "put into the group"}
            onClick={onGroup}
          />
        )}
      </p>
      <div class="lw-circuit-lists">
        <RankedList title="reads from" items={items(true)} hi={hi} onPick={pick} />
        <RankedList title="is read by" items={items(false)} hi={hi} onPick={pick} />
      </div>
      <p class="lw-muted">{fixed(edges.length, 0)} strongest edges, by estimate.</p>
    </section>
  );
}
