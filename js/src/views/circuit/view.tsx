import type { JSX } from "preact";
import { useCallback, useMemo, useState } from "preact/hooks";
import { gridCsv } from "../../core/export/csv";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons } from "../../core/parts/options";
import { Amount } from "../../core/parts/ranked/amount";
import { Button, Segmented } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { decode } from "../../core/state/arrays";
import { useResource } from "../../core/state/resource";
import type { CircuitArgs, CircuitTileResult } from "../../generated/protocol";
import { CopyAccuracy } from "./copy";
import { HeadChoice } from "./heads";
import { RowPanel } from "./row";
import { Spectrum } from "./spectrum";
import { around, panned, START, type Window, windowArgs, zoomed } from "./window";

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
export function CircuitPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("circuit", { session, rpc });
  const { layer, head, prompt, writer_layer, writer_head } = session.selection.value;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const circuit = session.option("circuit");
  const tokens = session.option("circuit_tokens");
  const topK = session.option("top_k");
  const isPair = circuit.value === "K" || circuit.value === "Q" || circuit.value === "V";
  const question: CircuitArgs = {
    circuit: circuit.value,
    layer,
    head,
    writer_layer: writer_layer ?? null,
    writer_head: writer_head ?? null,
  };
  const asked = JSON.stringify(question);
  const args = useMemo(() => question, [asked]);
  const [view, setView] = useState<Window>(START);
  const tile = useResource(handle, "tile", "circuit_tile", {
    ...args,
    circuit_tokens: tokens.value,
    prompt,
    ...windowArgs(view),
  });
  const { result } = tile;
  const values = useMemo(
    () => (result ? decode(result.values, tile.buffers).data : null),
    [result, tile.buffers],
  );
  const rows = useMemo(() => (result?.rows ?? []).map(({ text }) => text), [result]);
  const cols = useMemo(() => (result?.columns ?? []).map(({ text }) => text), [result]);
  const kind = result?.signed === false ? "sequential" : "diverging";
  const ramp = useRamp([values], { scale: kind });
  const [chosen, setRow] = useState<{ of: string; id: number; col: number | null } | null>(null);
  // The tile's own refusal is enough: what goes with it is not asked for.
  const possible = result !== null && sameCircuit(tile.args, args);
  const row = chosen?.of === circuit.value ? chosen.id : (result?.rows[0]?.id ?? null);
  const selected = useMemo(() => {
    const at = result?.rows.findIndex(({ id }) => id === row) ?? -1;
    const col = result?.columns.findIndex(({ id }) => id === (chosen?.col ?? row)) ?? -1;
    return at < 0 || col < 0 ? [] : [{ row: at, col }];
  }, [result, row, chosen?.col]);
  const cell = useCallback(
    (r: number, c: number) => ({
      name: `${rows[r]} to ${cols[c]}`,
      attributes: {
        "data-row-id": result?.rows[r]?.id,
        "data-column-id": result?.columns[c]?.id,
      },
    }),
    [rows, cols, result],
  );
  const shape = result?.shape ?? [1, 1];
  const windowed = result !== null && (tokens.value === "vocabulary" || !result.token_axes);
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
  const usable = possible ? args : null;
  return (
    <ViewFrame
      handle={handle}
      title="Weight circuit"
      controls={controls}
      compact={compact}
      takeaway={{ csv: () => gridCsv(rows, cols, values) }}
    >
      {result && <Said result={result} />}
      <div class="lw-circuit-parts">
        <div>
          <MapLegend ramp={ramp} kind={kind} units={result?.units ?? ""} />
          {windowed && result && <Pan result={result} view={view} onChange={setView} />}
          <HeatMap
            label={`${result?.name ?? "circuit"}, rows by columns`}
            rows={rows}
            cols={cols}
            axes={AXES[circuit.value]}
            values={values}
            ramp={ramp}
            units={result?.units ?? ""}
            cell={cell}
            square
            cellText={null}
            maxHeight={520}
            stale={tile.stale}
            selected={selected}
            onSelect={(cells) => {
              const last = cells.at(-1);
              const id = last && result?.rows[last.row]?.id;
              const col = last && result?.columns[last.col]?.id;
              setRow(id === undefined ? null : { of: circuit.value, id, col: col ?? null });
            }}
          />
        </div>
        <RowPanel
          handle={handle}
          circuit={args}
          row={usable ? row : null}
          topK={topK.value}
          searchable={result?.token_axes ?? true}
          onRow={(id) => show(id)}
          onEntry={show}
        />
      </div>
      {usable && result?.token_axes && (
        <>
          {(circuit.value === "OV" || circuit.value === "V") && (
            <CopyAccuracy handle={handle} circuit={args} />
          )}
          <Spectrum handle={handle} circuit={args} topK={topK.value} />
        </>
      )}
    </ViewFrame>
  );
}

function sameCircuit(a: CircuitArgs | null, b: CircuitArgs): boolean {
  return (
    a !== null &&
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

function Said({ result }: { result: CircuitTileResult }): JSX.Element {
  const [n = 0, m = 0] = result.shape;
  return (
    <p class="lw-said" data-circuit={result.name}>
      {result.definition}. {n.toLocaleString("en")} × {m.toLocaleString("en")}, rank {result.rank};{" "}
      {result.weights} weights, norms and biases left out.
    </p>
  );
}

function Pan(props: {
  result: CircuitTileResult;
  view: Window;
  onChange: (view: Window) => void;
}): JSX.Element {
  const { result, view, onChange } = props;
  const { shape } = result;
  const last = (start: number, count: number, size = 1) =>
    Math.min(size, start + count * view.pool) - 1;
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
        disabled={view.pool >= result.max_pool}
        onClick={() => onChange(zoomed(view, true, result.max_pool, shape))}
      >
        −
      </Button>
      <Button
        label="zoom in"
        disabled={view.pool <= 1}
        onClick={() => onChange(zoomed(view, false, result.max_pool, shape))}
      >
        +
      </Button>
      <span>
        rows {result.row}–{last(result.row, result.rows.length, shape[0])}, columns {result.col}–
        {last(result.col, result.columns.length, shape[1])}
        {result.pool > 1 ? `; a cell is the largest of ${result.pool} × ${result.pool}` : ""}
      </span>
    </span>
  );
}
