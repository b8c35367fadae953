// The shared parts on a page of their own, for screenshots and tests in Chromium.

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { LineChart } from "../src/core/parts/chart/chart";
import { HeatMap, type MapCell } from "../src/core/parts/heatmap/heatmap";
import { MapLegend } from "../src/core/parts/heatmap/legend";
import { useRamp } from "../src/core/parts/heatmap/ramp";
import { mountView, type PanelProps } from "../src/core/parts/mount";
import { useView, ViewFrame } from "../src/core/parts/view";

const WORDS = ["<bos>", "When", "·John", "·and", "·Mary", "·went", "·to", "·the", "·shops", ","];

function wave(rows: number, cols: number, shift: number): Float32Array {
  return Float32Array.from({ length: rows * cols }, (_, index) => {
    const row = Math.floor(index / cols);
    const col = index % cols;
    if ((row + col) % 17 === 16) return Number.NaN;
    return 2 * Math.sin(row / 2 + shift) * Math.cos(col / 3) ** 3;
  });
}

/** `what`, the model's name on this page, says what to show: "rows=24&cols=1024&names=tokens". */
function Maps({ what }: { what: string }): JSX.Element {
  const parameters = useMemo(() => new URLSearchParams(what), [what]);
  const number = (name: string, missing: number) => Number(parameters.get(name) ?? missing);
  const rows = number("rows", 12);
  const cols = number("cols", 12);
  const count = number("maps", 1);
  const tokens = parameters.get("names") === "tokens";
  const maps = useMemo(
    () => Array.from({ length: count }, (_, map) => wave(rows, cols, map)),
    [rows, cols, count],
  );
  const rowNames = useMemo(() => Array.from({ length: rows }, (_, i) => `L${i}`), [rows]);
  const colNames = useMemo(
    () => Array.from({ length: cols }, (_, i) => (tokens ? (WORDS[i % 10] ?? "") : `H${i}`)),
    [cols, tokens],
  );
  const kind = parameters.get("scale") === "sequential" ? "sequential" : "diverging";
  const ramp = useRamp(maps, { scale: kind });
  const [selected, setSelected] = useState<readonly MapCell[]>([]);
  const [opened, setOpened] = useState("");
  const functions = useMemo(
    () => ({
      cell: (row: number, col: number) => ({
        name: tokens ? `L${row} at position ${col}` : `L${row}H${col}`,
        attributes: tokens
          ? { "data-pos": col, "data-layer": row }
          : { "data-head": `L${row}H${col}` },
      }),
      estimated: (index: number) => index % 3 === 1,
      ablated: (index: number) => index === 5,
    }),
    [tokens],
  );
  return (
    <div
      data-selected={selected.map(({ row, col }) => `${row},${col}`).join(" ")}
      data-opened={opened}
    >
      <MapLegend ramp={ramp} kind={kind} units="logits" estimates unknown />
      <div class={count > 1 ? "lw-maps" : ""}>
        {maps.map((values, map) => (
          <HeatMap
            // The maps never change places.
            key={map}
            label={`effects ${map}, layers by ${tokens ? "positions" : "heads"}`}
            {...(count > 1 ? { title: `map ${map}` } : {})}
            rows={rowNames}
            cols={colNames}
            axes={{ rows: "layer", cols: tokens ? "position" : "head" }}
            values={values}
            ramp={ramp}
            units="logits"
            missing="unknown"
            {...functions}
            selected={selected}
            onSelect={setSelected}
            onOpen={({ row, col }) => setOpened(`open ${row},${col}`)}
            onToggle={({ row, col }) => setOpened(`toggle ${row},${col}`)}
          />
        ))}
      </div>
    </div>
  );
}

function Chart({ what }: { what: string }): JSX.Element {
  const parameters = useMemo(() => new URLSearchParams(what), [what]);
  const count = Number(parameters.get("points") ?? 20);
  const [picked, setPicked] = useState<number | null>(null);
  const chart = useMemo(() => {
    const at = Array.from({ length: count }, (_, index) => index);
    const current = at.map((i) => 3 + 2 * Math.sin(i / 2));
    return {
      points: at.map((i) => WORDS[i % 10] ?? ""),
      series: [
        { name: "baseline", values: at.map((i) => 3 + Math.cos(i / 3)), baseline: true },
        { name: "current", values: current, band: at.map((i) => 0.2 + 0.1 * (i % 3)) },
      ],
      ranges: [{ from: 3, to: 6, label: "second half" }],
    };
  }, [count]);
  return (
    <div data-picked={picked ?? ""}>
      <LineChart
        label="loss by position"
        axes={{ x: "position", y: "loss in nats" }}
        units="nats"
        picked={picked}
        onPick={(index) => setPicked(index)}
        {...chart}
      />
    </div>
  );
}

function Parts({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("parts", { session, rpc });
  const what = session.info.value.model_name;
  return (
    <ViewFrame handle={handle} title="Parts" compact={compact}>
      {what.startsWith("chart") ? <Chart what={what} /> : <Maps what={what} />}
    </ViewFrame>
  );
}

export default mountView(Parts);
