import type { JSX } from "preact";
import { useCallback, useMemo, useState } from "preact/hooks";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { Formula } from "../../core/parts/formula";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons } from "../../core/parts/options";
import { Amount } from "../../core/parts/ranked/amount";
import { Button, Segmented } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import type { Dataset } from "../../core/state/dataset";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/weight_circuit";
import { CopyAccuracy } from "./copy";
import { HeadChoice } from "./heads";
import { RowPanel } from "./row";
import { Spectrum } from "./spectrum";
import { around, panned, SIZE, START, type Window, zoomed } from "./window";

const CIRCUITS = [
  { value: "OV", label: "OV", title: "W_E W_V W_O W_U: what attending to a token does to logits" },
  { value: "QK", label: "QK", title: "W_E W_Q W_Kᵀ W_Eᵀ: which tokens attend to which" },
  { value: "positions", label: "positions", title: "attention by positional embeddings alone" },
  { value: "K", label: "K", title: "the head's scores on keys that the earlier head wrote" },
  { value: "Q", label: "Q", title: "the head's scores of queries that the earlier head wrote" },
  { value: "V", label: "V", title: "the OV circuit through both heads" },
] as const;
const TOKENS = [
  { value: "prompt", label: "prompt", title: "between the tokens of the prompt" },
  { value: "vocabulary", label: "vocabulary", title: "all tokens, window by window" },
] as const;

/** What one head's weights, or those of two heads in a row, do to tokens and positions. */
export function WeightCircuitPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("weight_circuit", { session, rpc });
  const { layer, head, prompt, writer_layer, writer_head } = session.selection.value;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const circuit = session.option(ask.OPTIONS.circuit);
  const tokens = session.option(ask.OPTIONS.circuit_tokens);
  const topK = session.option(ask.OPTIONS.top_k);
  const isPair = circuit.value === "K" || circuit.value === "Q" || circuit.value === "V";
  const choice: ask.CircuitChoice = {
    circuit: circuit.value,
    layer,
    head,
    writer_layer: writer_layer ?? null,
    writer_head: writer_head ?? null,
  };
  const [view, setView] = useState<Window>(START);
  const part = {
    choice,
    circuit_tokens: tokens.value,
    prompt,
    row: view.row,
    col: view.col,
    size: SIZE,
    pool: view.pool,
  };
  const tile = useAnswer(handle, ask.tile, part);
  const { data } = tile;
  const values = data?.numbers("value") ?? null;
  const rows = useMemo(() => data?.texts("row_label") ?? [], [data]);
  const cols = useMemo(() => data?.texts("column_label") ?? [], [data]);
  const rowIds = data?.numbers("row");
  const colIds = data?.numbers("column");
  const ofTokens = data?.attrs.axis !== "position";
  const kind = ofTokens ? "diverging" : "sequential";
  const ramp = useRamp([values], { scale: kind });
  const [chosen, setRow] = useState<{ of: string; id: number; col: number | null } | null>(null);
  // The tile's own refusal is enough: what goes with it is not asked for.
  const possible = data !== null && sameCircuit(tile.args?.choice, choice);
  const row = chosen?.of === circuit.value ? chosen.id : (rowIds?.[0] ?? null);
  const selected = useMemo(() => {
    if (row === null) return [];
    const at = rowIds?.indexOf(row) ?? -1;
    const col = colIds?.indexOf(chosen?.col ?? row) ?? -1;
    return at < 0 || col < 0 ? [] : [{ row: at, col }];
  }, [rowIds, colIds, row, chosen?.col]);
  const cell = useCallback(
    (r: number, c: number) => ({
      name: `${rows[r]} to ${cols[c]}`,
      attributes: {
        "data-row-id": rowIds?.[r],
        "data-column-id": colIds?.[c],
      },
    }),
    [rows, cols, rowIds, colIds],
  );
  const shape = shapeOf(data);
  const windowed = data !== null && (tokens.value === "vocabulary" || !ofTokens);
  const show = (id: number, col: number | null = null) => {
    setRow({ of: circuit.value, id, col });
    if (windowed) setView(around(id, col ?? id, shape));
  };
  const pick = (value: (typeof CIRCUITS)[number]["value"]) => {
    circuit.value = value;
    setView(START);
  };

  const controls = (
    <>
      <Segmented label="circuit" options={CIRCUITS} value={circuit.value} onChange={pick} />
      <span class="lw-circuit-heads">
        {isPair && (
          <>
            <HeadChoice
              label="earlier head"
              layers={Math.max(1, layer)}
              heads={heads}
              value={
                typeof writer_layer === "number" && typeof writer_head === "number"
                  ? { layer: writer_layer, head: writer_head }
                  : null
              }
              onChange={(to) =>
                session.select({ writer_layer: to?.layer ?? null, writer_head: to?.head ?? null })
              }
            />{" "}
            →{" "}
          </>
        )}
        <HeadChoice
          label="head"
          layers={layers}
          heads={heads}
          value={{ layer, head }}
          onChange={(to) => to && session.select(to)}
        />
      </span>
      <OptionButtons label="tokens" of={tokens} choices={TOKENS} />
      <Amount
        value={topK.value}
        onChange={(value) => {
          topK.value = value;
        }}
      />
    </>
  );
  return (
    <ViewFrame
      handle={handle}
      title="Weight circuit"
      controls={controls}
      compact={compact}
      metric={false}
      takeaway={{
        csv: () => data && datasetCsv(data),
        code: () => askCode(handle, ask.code, part),
      }}
      reserve={(w) => (w > 850 ? 950 : 1680)}
    >
      {data && <Said tile={data} />}
      <div class="lw-circuit-parts">
        <div>
          <MapLegend ramp={ramp} kind={kind} units={data?.attrs.units ?? ""} />
          {windowed && <Pan tile={data} view={view} onChange={setView} />}
          <HeatMap
            label={`${data?.attrs.circuit ?? "circuit"}, rows by columns`}
            rows={rows}
            cols={cols}
            axes={AXES[circuit.value]}
            values={values}
            ramp={ramp}
            units={data?.attrs.units ?? ""}
            cell={cell}
            square
            cellText={null}
            maxHeight={520}
            stale={tile.stale}
            selected={selected}
            onSelect={(cells) => {
              const last = cells.at(-1);
              const id = last && rowIds?.[last.row];
              const col = last && colIds?.[last.col];
              setRow(id === undefined ? null : { of: circuit.value, id, col: col ?? null });
            }}
          />
        </div>
        <RowPanel
          handle={handle}
          choice={choice}
          row={possible ? row : null}
          topK={topK.value}
          searchable={ofTokens}
          onRow={(id) => show(id)}
          onEntry={show}
        />
      </div>
      {possible && ofTokens && (
        <>
          {(circuit.value === "OV" || circuit.value === "V") && (
            <CopyAccuracy handle={handle} choice={choice} />
          )}
          <Spectrum handle={handle} choice={choice} topK={topK.value} />
        </>
      )}
    </ViewFrame>
  );
}

function sameCircuit(a: ask.CircuitChoice | undefined, b: ask.CircuitChoice): boolean {
  return (
    a !== undefined &&
    a.circuit === b.circuit &&
    a.layer === b.layer &&
    a.head === b.head &&
    a.writer_layer === b.writer_layer &&
    a.writer_head === b.writer_head
  );
}

const AXES = {
  OV: { rows: "attended token", cols: "logit of" },
  QK: { rows: "query", cols: "key" },
  positions: { rows: "query", cols: "key" },
  K: { rows: "query", cols: "token copied to the key" },
  Q: { rows: "token copied to the query", cols: "key" },
  V: { rows: "attended token", cols: "logit of" },
} as const;

function shapeOf(tile: Dataset<ask.Tile> | null): [number, number] {
  return tile ? [tile.attrs.n_rows, tile.attrs.n_columns] : [1, 1];
}

function Said({ tile }: { tile: Dataset<ask.Tile> }): JSX.Element {
  const { circuit, definition, rank, weights } = tile.attrs;
  const [n, m] = shapeOf(tile);
  return (
    <p class="lw-said" data-circuit={circuit}>
      <Formula text={definition} />. {n.toLocaleString("en")} × {m.toLocaleString("en")}, rank{" "}
      {rank}; {weights} weights, norms and biases left out.
    </p>
  );
}

function Pan(props: {
  tile: Dataset<ask.Tile>;
  view: Window;
  onChange: (view: Window) => void;
}): JSX.Element {
  const { tile, view, onChange } = props;
  const { pool, max_pool: coarsest } = tile.attrs;
  const shape = shapeOf(tile);
  const rows = tile.numbers("row");
  const columns = tile.numbers("column");
  const range = (starts: Float32Array, size: number) => {
    const [first = 0] = starts;
    return `${first}–${Math.min(size, first + starts.length * pool) - 1}`;
  };
  const move = (label: string, text: string, down: number, across: number) => (
    <Button label={label} onClick={() => onChange(panned(view, down, across, shape))}>
      {text}
    </Button>
  );
  return (
    <span class="lw-circuit-pan lw-num">
      {move("rows before", "↑", -1, 0)}
      {move("rows after", "↓", 1, 0)}
      {move("columns before", "←", 0, -1)}
      {move("columns after", "→", 0, 1)}
      <Button
        label="zoom out"
        disabled={view.pool >= coarsest}
        onClick={() => onChange(zoomed(view, true, coarsest, shape))}
      >
        −
      </Button>
      <Button
        label="zoom in"
        disabled={view.pool <= 1}
        onClick={() => onChange(zoomed(view, false, coarsest, shape))}
      >
        +
      </Button>
      <span>
        rows {range(rows, shape[0])}, columns {range(columns, shape[1])}
        {pool > 1 ? `; a cell is the largest of ${pool} × ${pool}` : ""}
      </span>
    </span>
  );
}
