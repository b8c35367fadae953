import type { JSX } from "preact";
import { useCallback, useMemo, useState } from "preact/hooks";
import { fixed, headLabel, parseHead } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { PanelProps } from "../../core/parts/mount";
import { FlagButtons, OptionButtons } from "../../core/parts/options";
import { RankedList } from "../../core/parts/ranked/ranked";
import { Button } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { useAnswer } from "../../core/state/resource";
import type { HeadRef } from "../../core/state/session";
import * as ask from "../../generated/composition";
import { headNames, pairAt, strongest } from "./pairs";

const KINDS = [
  { value: "K", label: "K", title: "the later head's keys read what the earlier one wrote" },
  { value: "Q", label: "Q", title: "its queries read it" },
  { value: "V", label: "V", title: "its values read it: a virtual head" },
] as const;
const SUBTRACT = [
  { value: "above", label: "above random", title: "less the score of random matrices" },
  { value: "plain", label: "ratio", title: "the ratio of norms by itself" },
] as const;
const LISTED = 12;
/** Bytes of scores that are asked for at once: what a message has room for, not pooled. */
const ROOM = 900_000;

/** How much of what each head writes each later head can read, by their weights alone. */
export function CompositionPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("composition", { session, rpc });
  const kind = session.option(ask.OPTIONS.composition);
  const subtract = session.option(ask.OPTIONS.subtract_random);
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const [fromLayer, setFromLayer] = useState(1);
  const sources = Math.max(1, layers - 1);
  const room = Math.max(1, Math.floor(ROOM / (4 * sources * heads * heads)));
  const chosen = { composition: kind.value, subtract_random: subtract.value };
  const loaded = useAnswer(handle, ask.scores, {
    ...chosen,
    dst_from: fromLayer,
    dst_layers: room < sources ? Math.min(room, layers - fromLayer) : null,
  });
  // Cells that stand for several pairs cannot be picked: only a large model's snapshot has them.
  const data = loaded.data?.poolOf("score").every((side) => side === 1) ? loaded.data : null;
  const scores = data?.numbers("score") ?? null;
  const dstLayer = data?.numbers("dst_layer")[0] ?? 1;
  const nDst = data?.dims.dst_layer ?? sources;
  const rows = useMemo(() => headNames(0, sources, heads), [sources, heads]);
  const cols = useMemo(() => headNames(dstLayer, nDst, heads), [dstLayer, nDst, heads]);
  const above = loaded.args?.subtract_random ?? subtract.value;
  const ramp = useRamp([scores], {
    scale: above ? "diverging" : "sequential",
    partial: loaded.partial,
    of: JSON.stringify(loaded.args),
  });
  const top = useMemo(
    () => (scores ? strongest(scores, cols.length, dstLayer, heads, LISTED) : []),
    [scores, cols.length, dstLayer, heads],
  );

  const { layer, head, writer_layer, writer_head } = session.selection.value;
  const selected = useMemo(() => {
    if (typeof writer_layer !== "number" || typeof writer_head !== "number") return NONE;
    const row = writer_layer * heads + writer_head;
    const col = (layer - dstLayer) * heads + head;
    return col < 0 || col >= cols.length ? NONE : [{ row, col }];
  }, [layer, head, writer_layer, writer_head, dstLayer, heads, cols.length]);

  const choose = (writer: HeadRef | null, reader: HeadRef | null) =>
    session.select({
      ...(reader ?? {}),
      writer_layer: writer?.layer ?? null,
      writer_head: writer?.head ?? null,
    });
  const cell = useCallback(
    (row: number, col: number) => ({
      name: `${rows[row]} into ${cols[col]}`,
      attributes: { "data-writer": rows[row], "data-head": cols[col] },
    }),
    [rows, cols],
  );

  const controls = (
    <>
      <OptionButtons label="composition" of={kind} choices={KINDS} />
      <FlagButtons label="baseline" of={subtract} choices={SUBTRACT} on="above" />
      {nDst < sources && (
        <span class="lw-muted">
          into layers {dstLayer} to {dstLayer + nDst - 1}{" "}
          <Button
            label="earlier layers"
            disabled={dstLayer <= 1}
            onClick={() => setFromLayer(Math.max(1, dstLayer - nDst))}
          />
          <Button
            label="later layers"
            disabled={dstLayer + nDst >= layers}
            onClick={() => setFromLayer(dstLayer + nDst)}
          />
        </span>
      )}
    </>
  );
  return (
    <ViewFrame
      handle={handle}
      title="Composition"
      controls={controls}
      compact={compact}
      pager={false}
      metric={false}
      takeaway={{
        csv: () => data && datasetCsv(data),
        code: () => askCode(handle, ask.code, chosen),
      }}
    >
      <p class="lw-said">
        {data ? `${data.attrs.definition}; ${data.attrs.weights} weights, norms left out.` : " "}{" "}
        {data && (
          <span
            class="lw-num"
            data-random={data.attrs.random}
            data-random-spread={data.attrs.random_spread}
            title={`random Gaussian matrices of the same shapes, ${data.attrs.random_seeds} seeds`}
          >
            Random: {fixed(data.attrs.random, 4)} ± {fixed(data.attrs.random_spread, 4)}
          </span>
        )}
      </p>
      <div class="lw-beside">
        <div>
          <MapLegend
            ramp={ramp}
            kind={above ? "diverging" : "sequential"}
            units={data?.attrs.units ?? ""}
            unknown={loaded.partial}
          />
          <HeatMap
            label="composition scores, earlier heads by later heads"
            rows={rows}
            cols={cols}
            axes={{ rows: "writes", cols: "reads" }}
            values={scores}
            ramp={ramp}
            units={data?.attrs.units ?? ""}
            cell={cell}
            missing={loaded.partial ? "unknown" : "absent"}
            stale={loaded.stale}
            selected={selected}
            onSelect={(cells) => {
              const last = cells.at(-1);
              if (!last) {
                choose(null, null);
                return;
              }
              const pair = pairAt(last.row, last.col, dstLayer, heads);
              if (pair.writer.layer < pair.reader.layer) choose(pair.writer, pair.reader);
            }}
          />
        </div>
        <RankedList
          title={`strongest ${loaded.args?.composition ?? kind.value}-composition`}
          hi={ramp.hi}
          plain={!above}
          digits={4}
          items={top.map(({ writer, reader, value }) => {
            const names = [writer, reader].map((part) => headLabel(part.layer, part.head));
            return {
              id: names.join(" "),
              text: names.join(" → "),
              value,
              selected:
                names[0] === headName(writer_layer, writer_head) && same(reader, layer, head),
              attributes: { "data-writer": names[0] ?? "", "data-head": names[1] ?? "" },
            };
          })}
          onPick={(item) => {
            const [writer, reader] = item.id.split(" ").map(parseHead);
            if (writer && reader) choose(writer, reader);
          }}
        />
      </div>
    </ViewFrame>
  );
}

const NONE: readonly MapCell[] = [];

function headName(layer: number | null | undefined, head: number | null | undefined): string {
  return typeof layer === "number" && typeof head === "number" ? headLabel(layer, head) : "";
}

function same(reader: HeadRef, layer: number, head: number): boolean {
  return reader.layer === layer && reader.head === head;
}
