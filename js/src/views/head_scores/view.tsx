import type { JSX } from "preact";
import { useCallback, useMemo, useState } from "preact/hooks";
import { decode } from "../../core/arrays";
import { flush } from "../../core/flush";
import { fixed, headLabel, parseHead } from "../../core/format";
import type { ViewHandle } from "../../core/handle";
import { HeatMap, type HeatMapProps } from "../../core/heatmap/heatmap";
import { MapLegend } from "../../core/heatmap/legend";
import { useRamp } from "../../core/heatmap/ramp";
import type { PanelProps } from "../../core/mount";
import { RankedList } from "../../core/ranked/ranked";
import { useResource } from "../../core/resource";
import { Button, Segmented } from "../../core/ui";
import { useView, ViewFrame } from "../../core/view";
import { namedHeads } from "./named";

const SCOPES = [
  { value: "mean", label: "mean", title: "mean over all prompts" },
  { value: "selected", label: "prompt", title: "the selected prompt alone" },
] as const;

/** How much each head attends along stripes that have a name, as maps and as one list. */
export function HeadScoresPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("head_scores", { session, rpc });
  const scope = session.option("scope");
  const threshold = session.option("threshold");
  const { prompt, layer, head } = session.selection.value;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  // A mean does not depend on the prompt, so it is always asked in the same way.
  const args = { scope: scope.value, prompt: scope.value === "mean" ? 0 : prompt };
  const loaded = useResource(handle, "scores", "head_scores", args);
  const { result, buffers } = loaded;
  const scores = useMemo(
    () =>
      result && {
        now: decode(result.current, buffers).data,
        before: decode(result.baseline, buffers).data,
        sem: decode(result.sem, buffers).data,
      },
    [result, buffers],
  );
  const size = layers * heads;
  const maps = useMemo(
    () => result?.kinds.map((_, i) => scores?.now.slice(i * size, (i + 1) * size) ?? null) ?? [],
    [result, scores, size],
  );
  const ramp = useRamp(maps, { scale: "sequential", hi: 1 });
  const named = useMemo(
    () => (result && scores ? namedHeads(scores.now, result.kinds, heads, threshold.value) : []),
    [result, scores, heads, threshold.value],
  );
  const common = useHeadMap(handle, layers, heads, loaded.stale);
  const controls = (
    <>
      <Segmented
        label="average"
        options={SCOPES}
        value={scope.value}
        onChange={(value) => {
          scope.value = value;
        }}
      />
      <label class="lw-muted lw-num">
        named from{" "}
        <input
          type="range"
          aria-label="threshold of the list"
          min={0}
          max={1}
          step={0.05}
          value={threshold.value}
          onInput={(event) => {
            const chosen = event.currentTarget.valueAsNumber;
            flush(() => {
              threshold.value = chosen;
            });
          }}
        />{" "}
        {fixed(threshold.value)}
      </label>
    </>
  );
  return (
    <ViewFrame handle={handle} title="Head scores" controls={controls} compact={compact}>
      <div class="lw-beside">
        <div>
          <MapLegend ramp={ramp} kind="sequential" units={result?.units ?? "attention weight"} />
          <div class="lw-columns">
            {result?.kinds.map((kind, i) => (
              <div key={kind} data-kind={kind} title={result.definitions[i]}>
                <HeatMap
                  {...common}
                  label={`${kind} scores, layers by heads`}
                  title={kind}
                  values={maps[i] ?? null}
                  ramp={ramp}
                  units={result.units}
                />
              </div>
            ))}
          </div>
        </div>
        <RankedList
          title={`heads from ${fixed(threshold.value)}`}
          hi={1}
          digits={3}
          plain
          items={named.map(({ kind, layer: l, head: h, value }) => {
            const name = headLabel(l, h);
            const at = (result?.kinds.indexOf(kind) ?? 0) * size + l * heads + h;
            const before = scores?.before[at] ?? Number.NaN;
            const sem = scores?.sem[at] ?? Number.NaN;
            const spread = Number.isFinite(sem) ? ` ± ${fixed(sem, 3)} standard error` : "";
            return {
              id: `${name} ${kind}`,
              text: name,
              note: kind,
              value,
              title: `${kind} score ${fixed(value, 4)}${spread}; baseline ${fixed(before, 4)}`,
              selected: l === layer && h === head,
              attributes: { "data-head": name, "data-kind": kind },
            };
          })}
          onPick={({ text }) => {
            const picked = parseHead(text);
            if (picked) session.select(picked);
          }}
        />
      </div>
      <LossMap view={handle} common={common} />
    </ViewFrame>
  );
}

type HeadMap = Omit<HeatMapProps, "label" | "values" | "ramp" | "units">;

/** What all maps of heads have in common: names, selection, preview and switches. */
function useHeadMap(view: ViewHandle, layers: number, heads: number, stale: boolean): HeadMap {
  const { session } = view;
  const { layer, head } = session.selection.value;
  const rows = useMemo(() => Array.from({ length: layers }, (_, i) => `L${i}`), [layers]);
  const cols = useMemo(() => Array.from({ length: heads }, (_, i) => `H${i}`), [heads]);
  const selected = useMemo(() => [{ row: layer, col: head }], [layer, head]);
  const preview = session.preview.value;
  const previewed = useMemo(
    () => preview && { row: preview.layer, col: preview.head },
    [preview?.layer, preview?.head],
  );
  const off = session.wishes.ablated.value;
  const ablated = useCallback(
    (index: number) => {
      const row = Math.floor(index / heads);
      return off.has(headLabel(row, index % heads)) || off.has(`L${row}.attn`);
    },
    [off, heads],
  );
  return {
    rows,
    cols,
    cell: headCell,
    selected,
    previewed,
    ablated,
    stale,
    maxHeight: 260,
    onSelect: (cells) => {
      const last = cells.at(-1);
      if (last) session.select({ layer: last.row, head: last.col });
    },
    onHover: (at) => {
      session.preview.value = at && { layer: at.row, head: at.col };
    },
    onToggle: ({ row, col }) => session.toggleAblation(view, headLabel(row, col)),
  };
}

function headCell(row: number, col: number) {
  const name = headLabel(row, col);
  return { name, attributes: { "data-head": name } };
}

/** What ablating each head adds to the loss: one run a head, so only when it is asked for. */
function LossMap(props: { view: ViewHandle; common: HeadMap }): JSX.Element {
  const { view, common } = props;
  const [wanted, setWanted] = useState(false);
  const kind = view.session.option("kind").value;
  const loaded = useResource(view, "loss", "loss_effects", wanted ? { kind } : null);
  const { result, buffers } = loaded;
  const values = useMemo(
    () => (result ? decode(result.heads, buffers).data : null),
    [result, buffers],
  );
  const ramp = useRamp([values], { scale: "diverging", partial: loaded.partial, of: kind });
  if (!wanted) {
    return <Button label="ablate each head, show the loss" onClick={() => setWanted(true)} />;
  }
  return (
    <section aria-label="effect of ablating on the loss" data-kind="loss">
      <p class="lw-said">{result?.definition ?? " "}</p>
      <MapLegend ramp={ramp} kind="diverging" units="nats" unknown={loaded.partial} />
      <HeatMap
        {...common}
        label="change of the loss, layers by heads"
        values={values}
        ramp={ramp}
        units="nats"
        missing={loaded.partial ? "unknown" : "absent"}
        stale={loaded.stale}
      />
    </section>
  );
}
