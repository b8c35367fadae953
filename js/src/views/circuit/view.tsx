import type { JSX } from "preact";
import { useCallback, useContext, useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { fixed, headLabel, parseHead } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { InTab } from "../../core/parts/columns";
import type { PanelProps } from "../../core/parts/mount";
import { OptionChoice } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import { flush } from "../../core/state/flush";
import { cutEdges } from "../../core/state/interventions";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/circuit";
import { Agreement, labelOf, METHODS } from "./agreement";
import { ChosenEdge, ChosenNode } from "./chosen";
import { SizeCurve, type Stop } from "./curve";
import { type Edge, readEdges } from "./edges";
import { askFile } from "./file";
import { edgeText, Graph } from "./graph";
import { GroupCard, useGroup } from "./group";
import { placesOf } from "./place";
import { EdgeTable } from "./table";

const KINDS = [
  { value: "resample", label: "corrupted", title: "a cut edge carries the corrupted run's value" },
  { value: "mean", label: "mean", title: "a cut edge carries its mean" },
  { value: "zero", label: "zero", title: "a cut edge carries nothing" },
] as const;

/** From this width on the table stands beside the graph, in a column of this width with its gap. */
const WIDE = 820;
const ASIDE = 356;

/** In the explorer, so that the curve is seen below it. */
const LOW = { tall: 390 };

const NO_EDGES: readonly Edge[] = [];

/** The circuit behind the answer: estimated edge by edge, cut to size, and measured. */
export function CircuitPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("circuit", { session, rpc });
  const method = session.option(ask.OPTIONS.edge_method);
  const kind = session.option(ask.OPTIONS.cut_kind);
  const share = session.option(ask.OPTIONS.circuit_share);
  const body = useRef<HTMLDivElement>(null);
  const { width } = useSize(body);
  const { n_layers: layers, n_heads: heads, mlp_layers: mlps } = session.info.value;
  const args = { edge_method: method.value, circuit_share: share.value };
  const loaded = useAnswer(handle, ask.edges, args);
  const { data, partial } = loaded;
  const edges = useMemo(() => (data ? readEdges(data) : NO_EDGES), [data]);
  const curve = useAnswer(
    handle,
    ask.curve,
    data && !partial ? { edge_method: method.value, cut_kind: kind.value } : null,
    { sweep: true },
  );
  // The best one was found by it; beside one that was picked it can wait.
  const compared = method.value === "best" ? data !== null && !partial : curve.data !== null;
  const agreed = useAnswer(handle, ask.agreements, compared ? {} : null, {
    on: "prompts",
    quiet: true,
    sweep: true,
  });
  const stops = useMemo(() => stopsOf(data?.attrs.stops ?? [], curve.data), [data, curve.data]);
  const at = nearest(stops, data?.attrs.share ?? share.value ?? 0);
  const [chosen, setChosen] = useState<{ writer: string; reader: string } | null>(null);
  const [node, setNode] = useState<string | null>(null);
  const [hovered, setHovered] = useState<Edge | null>(null);
  const group = useGroup(session);
  const cut = cutEdges(session.changes.interventions.value);
  const wide = width >= WIDE;
  const low = useContext(InTab);
  const room = wide ? width - ASIDE : width;
  const places = useMemo(
    () =>
      placesOf({ layers, heads, width: Math.max(240, Math.min(room, 760)), ...(low ? LOW : {}) }),
    [layers, heads, room, low],
  );
  const edge = chosen && labelled(edges, chosen);

  // Whoever works with what is shown meanwhile keeps it: a better one is offered, not put in its place.
  const settle = useCallback(() => {
    if (partial && data && method.peek() === "best") method.value = data.attrs.method;
  }, [partial, data, method]);
  const onEdge = (next: { writer: string; reader: string }) =>
    flush(() => {
      settle();
      setChosen(next);
      setNode(null);
    });
  const onNode = (next: string, together: boolean) =>
    flush(() => {
      settle();
      if (together && next !== "logits") group.toggle(next);
      else {
        setNode(next);
        setChosen(null);
      }
      const head = parseHead(next);
      if (head) session.select(head);
    });
  const onCut = useCallback(
    (edge: Edge, on: boolean) => {
      const { writer, reader } = edge;
      settle();
      void session.changes.make(handle, {
        what: "cut",
        edges: [{ writer, reader }],
        kind: kind.peek(),
        on,
      });
    },
    [session, handle, kind, settle],
  );
  const { layer, head } = session.selection.value;
  const said = data?.attrs;
  const onHover = (next: Edge | null) => flush(() => setHovered(next));
  // Where the click was: beside the graph, or above it, in a place that is kept for it.
  const chosenEdge = () =>
    edge && said ? (
      <ChosenEdge
        view={handle}
        edge={edge}
        method={method.value}
        kind={kind.value}
        isCut={cut.has(edge.label)}
        headsPerGroup={said.heads_per_group}
        onCut={onCut}
        onNode={(next) => onNode(next, false)}
      />
    ) : (
      <p class="lw-circuit-chosen lw-muted">Click an edge: its exact effect stands here.</p>
    );
  return (
    <ViewFrame
      handle={handle}
      title="Circuit"
      compact={compact}
      pager={false}
      controls={
        <>
          <OptionChoice label="how edges are estimated" of={method} choices={METHODS} />
          <OptionChoice label="what a cut edge carries" of={kind} choices={KINDS} />
        </>
      }
      takeaway={{
        csv: () => (data ? datasetCsv(data) : null),
        code: () => askCode(handle, ask.code, { ...args, cut_kind: kind.value }),
        file: {
          label: "save JSON (MIB)",
          name: "circuit.json",
          content: () => askFile(handle, args),
        },
      }}
      reserve={(w) => reservedHeight(w, layers, heads)}
    >
      <div ref={body} class="lw-circuit" data-wide={wide}>
        {width > 0 && said && (
          <>
            <div class="lw-circuit-side">
              {!wide && chosenEdge()}
              <Graph
                places={places}
                layers={layers}
                heads={heads}
                mlps={mlps}
                headsPerGroup={said.heads_per_group}
                edges={edges}
                cut={cut}
                ablated={session.changes.ablated.value}
                group={group.nodes}
                groupName={group.name}
                chosen={edge}
                node={node ?? headLabel(layer, head)}
                hovered={hovered}
                stale={loaded.stale}
                onHover={onHover}
                onEdge={onEdge}
                onNode={onNode}
              />
              <Agreement
                data={partial || agreed.stale ? null : agreed.data}
                wanted={method.value}
                method={said.method}
                onBest={() => {
                  method.value = "best";
                }}
              />
              <p class="lw-readout lw-num" data-lw-readout="">
                {hovered ? edgeText(hovered) : "hover an edge for its estimate"}
              </p>
              <SizeCurve
                width={places.width}
                stops={stops}
                at={at}
                stale={curve.stale}
                onStop={(index) => {
                  const stop = stops[index];
                  settle();
                  if (stop) share.value = stop.share;
                }}
              />
              <Said said={said} measured={stops[at]} />
            </div>
            <div class="lw-circuit-side">
              {wide && chosenEdge()}
              {node && (
                <ChosenNode
                  view={handle}
                  node={node}
                  method={method.value}
                  grouped={group.nodes.has(node)}
                  onGroup={() => flush(() => group.toggle(node))}
                  onEdge={onEdge}
                />
              )}
              <GroupCard view={handle} group={group} kind={kind.value} />
              <EdgeTable
                edges={edges}
                total={said.n_edges}
                cut={cut}
                chosen={edge?.label ?? null}
                onChoose={onEdge}
                onCut={onCut}
                onHover={onHover}
              />
              <p class="lw-muted">
                Estimates ({labelOf(said.method)}): {said.definition}, in {said.units}. The curve is
                measured: {curve.data?.attrs.definition ?? "circuits of ten sizes"}; all other edges{" "}
                {carried(kind.value)}. Without any edge the{" "}
                {session.metric.value?.metric ?? said.metric} is {fixed(curve.data?.attrs.empty)},
                with all {fixed(curve.data?.attrs.whole)}. Grey: random circuits of the same size.
              </p>
            </div>
          </>
        )}
      </div>
    </ViewFrame>
  );
}

/** The graph with the curve below it; beside them, or below them, the first rows of the table. */
function reservedHeight(width: number, layers: number, heads: number): number {
  const graph = placesOf({ layers, heads, width }).height + 320;
  return width >= WIDE ? Math.max(graph - 70, 600) : graph + 400;
}

/** The circuit's size, and what of the metric it brings back. */
function Said(props: { said: ask.Edges["attrs"]; measured: Stop | undefined }): JSX.Element {
  const { said, measured } = props;
  const lost = said.n_chosen - said.n_edges;
  const nowhere = `${lost} of the ${said.n_chosen} highest edges lead nowhere and were left out`;
  return (
    <p
      class="lw-circuit-said lw-num"
      data-edges={said.n_edges}
      data-all={said.n_all}
      data-faithfulness={measured?.faithfulness ?? ""}
    >
      <span title={lost > 0 ? nowhere : undefined}>
        <b>{said.n_edges.toLocaleString("en")}</b> of {said.n_all.toLocaleString("en")} edges,{" "}
        {said.n_nodes} nodes
      </span>
      <span>
        faithfulness, measured <b>{fixed(measured?.faithfulness)}</b>
        {measured && !Number.isNaN(measured.sem) && ` ± ${fixed(measured.sem)}`}
      </span>
    </p>
  );
}

function stopsOf(shares: readonly number[], data: CurveData): readonly Stop[] {
  const values = (name: "n_edges" | "faithfulness" | "sem" | "random_low" | "random_high") =>
    data?.numbers(name);
  const [edges, faithfulness, sem, low, high] = [
    values("n_edges"),
    values("faithfulness"),
    values("sem"),
    values("random_low"),
    values("random_high"),
  ];
  return shares.map((share, index) => ({
    share,
    edges: edges?.[index] ?? 0,
    faithfulness: faithfulness?.[index] ?? Number.NaN,
    sem: sem?.[index] ?? Number.NaN,
    low: low?.[index] ?? Number.NaN,
    high: high?.[index] ?? Number.NaN,
  }));
}

type CurveData = ReturnType<typeof useAnswer<never, ask.Curve>>["data"];

/** The stop whose share is nearest, on the curve's own scale. */
function nearest(stops: readonly Stop[], share: number): number {
  const far = (stop: Stop) => Math.abs(Math.log(stop.share) - Math.log(Math.max(share, 1e-9)));
  return stops.reduce((best, stop, index) => {
    const held = stops[best];
    return held && far(stop) < far(held) ? index : best;
  }, 0);
}

function labelled(
  edges: readonly Edge[],
  { writer, reader }: { writer: string; reader: string },
): Edge {
  const known = edges.find((edge) => edge.writer === writer && edge.reader === reader);
  const label = `${writer} → ${reader}`;
  return known ?? { writer, reader, label, score: Number.NaN, stability: Number.NaN };
}

function carried(kind: (typeof KINDS)[number]["value"]): string {
  return {
    resample: "carry what they carry on the corrupted prompts",
    mean: "carry their mean",
    zero: "carry nothing",
  }[kind];
}
