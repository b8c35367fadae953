import type { JSX } from "preact";
import { useCallback, useMemo, useRef } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { change, headLabel, parseHead, signed } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, RUNS } from "../../core/parts/options";
import { Button } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/score_decomposition";
import { tokens as askTokens } from "../../generated/session";
import { splitFor } from "./layout";
import { PositionMap } from "./positions";
import { ofRun, withTotals } from "./totals";

const BY = [
  { value: "head", label: "heads" },
  { value: "layer", label: "layers", title: "a layer's heads together" },
] as const;
const TOTAL = "total";

/** Why the selected head attends: its scores by who wrote its query and its key. */
export function ScoresPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("score_decomposition", { session, rpc });
  const { layer, head, prompt, query_pos, key_pos } = session.selection.value;
  const by = session.option(ask.OPTIONS.sources_by);
  const show = session.option(ask.OPTIONS.show);
  const querySource = session.option(ask.OPTIONS.query_source);
  const keySource = session.option(ask.OPTIONS.key_source);
  const both = query_pos !== null && key_pos !== null;
  const room = useRef<HTMLDivElement>(null);
  const { width } = useSize(room);
  const split = splitFor(width, layer, session.info.value.n_heads, by.value);
  const asked = { layer, head, prompt, sources_by: split.by, query_pos, key_pos };
  // Not before the room is known, which says how finely scores are split.
  const loaded = useAnswer(handle, ask.sources, width > 0 ? asked : null);
  const { data } = loaded;
  const tokens = useAnswer(handle, askTokens, { prompt }, { on: "prompts" });
  const texts = useMemo(() => tokens.data?.texts("token") ?? NO_SOURCES, [tokens.data]);
  const sources = useMemo(() => data?.texts("query_source") ?? NO_SOURCES, [data]);
  // A source of another head is none of this one.
  const known = (name: string) => (sources.includes(name) ? name : "");
  const query = known(querySource.value);
  const key = known(keySource.value);
  const map = useAnswer(
    handle,
    ask.positions,
    data && loaded.args?.layer === layer && loaded.args.head === head
      ? {
          layer,
          head,
          prompt,
          sources_by: split.by,
          query_source: query,
          key_source: key,
          show: show.value,
        }
      : null,
  );

  const parts = useMemo(() => {
    if (!data) return null;
    return ofRun(show.value, data.numbers("current"), data.numbers("baseline"));
  }, [data, show.value]);
  const values = useMemo(() => parts && withTotals(parts, sources.length), [parts, sources]);
  const ramp = useRamp([parts], { scale: "diverging" });
  const names = useMemo(() => [...sources, TOTAL], [sources]);
  const shownValues = useMemo(() => [values], [values]);
  const selected = useMemo<readonly MapCell[]>(() => {
    if (sources.length === 0) return [];
    const at = (name: string) => (name === "" ? sources.length : sources.indexOf(name));
    return [{ row: at(query), col: at(key) }];
  }, [sources, query, key]);
  const cell = useCallback(
    (row: number, col: number) => ({
      name: `query by ${names[row]}, key by ${names[col]}`,
      attributes: {
        "data-query-source": names[row],
        "data-key-source": names[col],
        "data-head": parseHead(names[col] ?? "") ? names[col] : undefined,
      },
    }),
    [names],
  );
  const sum = values?.[values.length - 1] ?? null;
  const score =
    data &&
    {
      current: data.attrs.score,
      baseline: data.attrs.baseline_score,
      difference: change(data.attrs.baseline_score, data.attrs.score),
    }[show.value];
  const set = (row: number, col: number) => {
    querySource.value = sources[row] ?? "";
    keySource.value = sources[col] ?? "";
  };

  const controls = (
    <>
      <span class="lw-mono" data-head={headLabel(layer, head)}>
        {headLabel(layer, head)}
      </span>
      <OptionButtons label="sources" of={by} choices={BY} />
      <OptionButtons label="run" of={show} choices={RUNS} />
      {both && (
        <Button
          label="all positions"
          title="the mean over all pairs of positions"
          onClick={() => session.select({ query_pos: null, key_pos: null })}
        />
      )}
    </>
  );
  return (
    <ViewFrame
      handle={handle}
      title="Score decomposition"
      controls={controls}
      compact={compact}
      takeaway={{
        csv: () => data && datasetCsv(data),
        code: () => askCode(handle, ask.code, { ...asked, show: show.value }),
      }}
      reserve={(w) => (w > 840 ? 600 : 1180)}
    >
      {data && (
        <>
          <p class="lw-said">{data.attrs.definition}</p>
          <p
            class="lw-num lw-scores-sum"
            data-sum={sum === null ? "" : String(sum)}
            data-score={score === null || score === undefined ? "" : String(score)}
          >
            all parts: <b>{signed(sum, 4)}</b>, the head's score: <b>{signed(score, 4)}</b>
          </p>
        </>
      )}
      {split.by !== by.value && (
        <p class="lw-said">
          {layer * session.info.value.n_heads} heads write before this one: too many for this width,
          so each layer's are one source.
        </p>
      )}
      <div ref={room} class={split.stacked ? "lw-stacked" : "lw-scores-parts"}>
        <div>
          <MapLegend
            ramp={ramp}
            kind="diverging"
            units={data?.attrs.units ?? "score"}
            values={shownValues}
          />
          <HeatMap
            label="score by query source and key source"
            rows={names}
            cols={names}
            axes={AXES}
            values={values}
            ramp={ramp}
            units={data?.attrs.units ?? "score"}
            cell={cell}
            numbers={10}
            stale={loaded.stale}
            maxHeight={split.stacked ? 640 : 520}
            selected={selected}
            onSelect={(cells) => {
              const last = cells.at(-1);
              set(last?.row ?? -1, last?.col ?? -1);
            }}
          />
        </div>
        {map.data && (
          <PositionMap
            map={map.data}
            tokens={texts}
            stale={map.stale}
            query={query_pos}
            keyPos={key_pos}
            onSelect={(q, k) => session.select({ query_pos: q, key_pos: k })}
          />
        )}
      </div>
    </ViewFrame>
  );
}

const NO_SOURCES: readonly string[] = [];
const AXES = { rows: "query written by", cols: "key written by" } as const;
