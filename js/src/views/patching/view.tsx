import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { fixed } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { mapColumns } from "../../core/parts/heatmap/columns";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { PanelProps } from "../../core/parts/mount";
import { FlagButtons, OptionButtons, SCOPES } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/patching";
import { tokens as tokensOf } from "../../generated/session";
import type { Question } from "../../wire/question";
import { axesOf, firstHeads, leastWidth, reservedHeight } from "./layout";
import { OneMap, type ShownMap } from "./map";
import { patchScale } from "./scale";

const MAPS = [
  { value: "heads", label: "heads" },
  { value: "blocks", label: "blocks", title: "residual stream, attention and MLP outputs" },
] as const;
const PLACES = [
  { value: "all", label: "all positions" },
  { value: "each", label: "by position" },
] as const;
const INTO = [
  { value: "corrupted", label: "clean → corrupted", title: "what restores the answer" },
  { value: "clean", label: "corrupted → clean", title: "what breaks the answer" },
] as const;
const VALUES = [
  { value: "restored", label: "share", title: "0 is the unpatched run, 1 what the other run has" },
  { value: "metric", label: "metric", title: "the metric itself" },
] as const;

const ESTIMATES = [
  { value: "best", label: "best", title: "what agrees best with the exact cells so far" },
  { value: "gradient", label: "gradient", title: "the slope at the run that is patched" },
  { value: "integrated", label: "integrated", title: "its mean over runs between the two" },
  { value: "relp", label: "relp", title: "norms held, activation functions by their chord" },
] as const;

/** The maps of any choice: which variables there are, the attributes tell. */
interface AnyMaps {
  numbers: string;
  texts: never;
  attrs: ask.HeadMaps["attrs"];
}
type Args = NonNullable<typeof ask.heads.args>;

/** Which activations carry the answer from one run into the other. */
export function PatchingPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("patching", { session, rpc });
  const maps = session.option(ask.OPTIONS.patch_maps);
  const byPos = session.option(ask.OPTIONS.by_pos);
  const into = session.option(ask.OPTIONS.patch_into);
  const normalize = session.option(ask.OPTIONS.normalize);
  const estimate = session.option(ask.OPTIONS.estimate);
  const scope = session.setting("prompt_scope");
  const { prompt } = session.selection.value;
  const each = maps.value === "heads" && byPos.value;
  const args = {
    patch_into: into.value,
    normalize: normalize.value,
    estimate: estimate.value,
    prompt: scope.value === "mean" ? null : prompt,
  };
  const blocks = maps.value === "blocks";
  const wanted: Question<Args, AnyMaps> = blocks ? ask.blocks : each ? ask.headsByPos : ask.heads;
  const loaded = useAnswer(handle, wanted, args, { sweep: true });
  const { data, partial, stale } = loaded;
  const named = data === null ? null : { prompt: data.attrs.tokens_of };
  const words = useAnswer(handle, tokensOf, named, { on: "prompts" }).data;
  const tokens = useMemo(() => words?.texts("token") ?? [], [words]);
  const modelHeads = session.info.value.n_heads;
  const shown: ShownMap[] = useMemo(
    () =>
      (data?.attrs.maps ?? []).map((info) => {
        const of = (name: string) =>
          firstHeads(data?.array(name) ?? { shape: [], data: NO_NUMBERS }, info.heads);
        const values = of(info.node);
        const map = { ...info, dims: data?.dimsOf(info.node) ?? [] };
        const axes = axesOf(map, values.shape, tokens, modelHeads);
        return { map, axes, values, sem: of(`${info.node}_sem`), exact: of(`${info.node}_exact`) };
      }),
    [data, tokens, modelHeads],
  );
  const arrays = useMemo(() => shown.map(({ values }) => values.data), [shown]);
  const asked = loaded.args ?? args;
  const scale = useMemo(
    () => patchScale(data?.attrs ?? NO_ENDS, asked, arrays),
    [data, asked.patch_into, asked.normalize, arrays],
  );
  const { center, hi, flipped } = scale;
  const ramp = useRamp(NO_ARRAYS, { scale: "diverging", center, hi, flipped });
  const room = useRef<HTMLDivElement>(null);
  const { width } = useSize(room);
  const least = Math.max(0, ...shown.map(({ axes }) => leastWidth(axes)));
  const columns = mapColumns(shown.length, width, least, GAP);
  const estimates = shown.some(({ exact }) => exact.data.includes(0));
  const csv = () => data && datasetCsv(data, { names: { pos: tokens } });
  const code = () =>
    askCode(handle, ask.code, {
      patch_maps: maps.value,
      by_pos: each,
      patch_into: into.value,
      normalize: normalize.value,
    });

  const controls = (
    <>
      <OptionButtons label="maps" of={maps} choices={MAPS} />
      {maps.value === "heads" && (
        <FlagButtons label="positions" of={byPos} choices={PLACES} on="each" />
      )}
      <OptionButtons label="direction" of={into} choices={INTO} />
      <FlagButtons label="values" of={normalize} choices={VALUES} on="restored" />
      <OptionButtons label="estimates" of={estimate} choices={ESTIMATES} />
      <OptionButtons label="prompts" of={scope} choices={SCOPES} />
    </>
  );
  return (
    <ViewFrame
      handle={handle}
      title="Activation patching"
      controls={controls}
      compact={compact}
      takeaway={{ csv, code }}
      reserve={(w) => reservedHeight(w - 24, session.info.peek().n_layers, modelHeads)}
    >
      <div class="lw-patch" ref={room}>
        {data && (
          <>
            <div class="lw-patch-top">
              <MapLegend
                ramp={ramp}
                kind="diverging"
                units={scale.said}
                ends={scale.ends}
                values={arrays}
                estimates={estimates}
              />
              <span class="lw-muted lw-num">
                {data.attrs.metric}: clean {fixed(data.attrs.clean)} · corrupted{" "}
                {fixed(data.attrs.corrupted)}
              </span>
            </div>
            <div
              class="lw-maps"
              style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}
            >
              {shown.map((one) => (
                <OneMap
                  key={one.map.node}
                  view={handle}
                  shown={one}
                  tokens={tokens}
                  ramp={ramp}
                  units={data.attrs.units}
                  partial={partial}
                  stale={stale && !partial}
                />
              ))}
            </div>
            <p class="lw-patch-note">
              {capital(data.attrs.definition)} Click a cell, or drag over several, to apply the
              patch everywhere; click again to take it back. Double click selects the head.
              {data.attrs.missing.length > 0 &&
                ` This model cannot be patched at: ${data.attrs.missing.join(", ")}.`}
            </p>
          </>
        )}
      </div>
    </ViewFrame>
  );
}

const NO_NUMBERS = new Float32Array(0);
const NO_ARRAYS: readonly Float32Array[] = [];
const NO_ENDS = { unpatched: 0, full: 1, clean: 1, corrupted: 0, units: "" };
/** Between maps, as the style sheet has it. */
const GAP = 16;

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
