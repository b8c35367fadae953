import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { fixed } from "../../core/draw/format";
import { requestCode } from "../../core/export/code";
import { CopyButton } from "../../core/parts/copy_button";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { PanelProps } from "../../core/parts/mount";
import { FlagButtons, OptionButtons, SCOPES } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import { decode } from "../../core/state/arrays";
import { useResource } from "../../core/state/resource";
import { axesOf, toCsv } from "./layout";
import { OneMap, type ShownMap } from "./map";

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
  { value: "restored", label: "0 to 1", title: "0 is the corrupted metric, 1 the clean one" },
  { value: "metric", label: "metric", title: "the metric itself" },
] as const;

/** Which activations carry the answer from one run into the other. */
export function PatchingPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("patching", { session, rpc });
  const maps = session.option("patch_maps");
  const byPos = session.option("by_pos");
  const into = session.option("patch_into");
  const normalize = session.option("normalize");
  const scope = session.option("scope");
  const { prompt } = session.selection.value;
  const body = useRef<HTMLDivElement>(null);
  const args = {
    patch_maps: maps.value,
    by_pos: maps.value === "heads" && byPos.value,
    patch_into: into.value,
    normalize: normalize.value,
    scope: scope.value,
    prompt: scope.value === "mean" ? 0 : prompt,
  };
  const loaded = useResource(handle, "maps", "patching", args);
  const { result, buffers, partial, stale } = loaded;
  const shown: ShownMap[] = useMemo(
    () =>
      (result?.maps ?? []).map((map) => {
        const values = decode(map.values, buffers);
        const axes = axesOf(map, values.shape, result?.tokens ?? []);
        return {
          map,
          axes,
          values,
          sem: decode(map.sem, buffers),
          exact: decode(map.exact, buffers),
        };
      }),
    [result, buffers],
  );
  const arrays = useMemo(() => shown.map(({ values }) => values.data), [shown]);
  const ramp = useRamp(arrays, { scale: "diverging", partial, of: JSON.stringify(loaded.args) });
  const estimates = shown.some(({ exact }) => exact.data.includes(0));
  const code = () => requestCode(handle, "patching_code", args);

  const controls = (
    <>
      <OptionButtons label="maps" of={maps} choices={MAPS} />
      {maps.value === "heads" && (
        <FlagButtons label="positions" of={byPos} choices={PLACES} on="each" />
      )}
      <OptionButtons label="direction" of={into} choices={INTO} />
      <FlagButtons label="values" of={normalize} choices={VALUES} on="restored" />
      <OptionButtons label="prompts" of={scope} choices={SCOPES} />
      <CopyButton
        label="copy CSV"
        within={body}
        disabled={shown.length === 0}
        text={async () => toCsv(shown)}
      />
      <CopyButton label="copy code" within={body} text={code} />
    </>
  );
  return (
    <ViewFrame handle={handle} title="Activation patching" controls={controls} compact={compact}>
      <div ref={body} class="lw-patch">
        {result && (
          <>
            <div class="lw-patch-top">
              <MapLegend
                ramp={ramp}
                kind="diverging"
                units={result.units}
                estimates={estimates}
                unknown={false}
              />
              <span class="lw-muted lw-num">
                {result.summary.metric}: clean {fixed(result.clean)} · corrupted{" "}
                {fixed(result.corrupted)}
              </span>
            </div>
            <div
              class={`lw-maps ${args.by_pos || args.patch_maps === "blocks" ? "lw-patch-wide" : ""}`}
            >
              {shown.map((one) => (
                <OneMap
                  key={one.map.node}
                  view={handle}
                  shown={one}
                  tokens={result.tokens}
                  ramp={ramp}
                  units={result.units}
                  partial={partial}
                  stale={stale && !partial}
                />
              ))}
            </div>
            <p class="lw-patch-note">
              {capital(result.definition)} Click or brush: keep these cells of the corrupted run in
              the session's own run, where every view shows what follows; again: take them away.
              Double click: select the head.
              {result.missing.length > 0 &&
                ` This model cannot be patched at: ${result.missing.join(", ")}.`}
            </p>
          </>
        )}
      </div>
    </ViewFrame>
  );
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
