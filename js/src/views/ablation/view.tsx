import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { niceCeil } from "../../core/draw/format";
import { requestCode } from "../../core/export/code";
import { CopyButton } from "../../core/parts/copy_button";
import type { PanelProps } from "../../core/parts/mount";
import { ABLATION_KINDS, OptionButtons } from "../../core/parts/options";
import { Button, ColorBar } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { decode, maxAbs } from "../../core/state/arrays";
import type { Change } from "../../core/state/interventions";
import { type Resource, useResource } from "../../core/state/resource";
import type { Methods } from "../../generated/protocol";
import { ActiveList } from "./active";
import { BeforeAfter } from "./after";
import { Grid } from "./grid";

const VALUES = [
  { value: "attribution", label: "attribution", title: "direct effect, from one run" },
  {
    value: "effect",
    label: "effect of ablating (exact)",
    title: "the model is run once for every cell",
  },
] as const;

/** Switches for every head and MLP, what is active and what it is worth, and what comes of it. */
export function AblationPanelView({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("ablation", { session, rpc });
  const kind = session.option("kind");
  const values = session.option("values");
  const scope = session.option("scope");
  const info = session.info.value;
  const selection = session.selection.value;
  const body = useRef<HTMLDivElement>(null);
  const { changes } = session;

  const grid = useResource(handle, "grid", "ablation_grid", {
    // Attribution knows no kind, and the mean no prompt: neither may cause the same to be asked again.
    kind: values.value === "effect" ? kind.value : "zero",
    values: values.value,
    scope: scope.value,
    prompt: scope.value === "mean" ? 0 : selection.prompt,
  });
  const shown = useGridValues(grid);
  const effects = useResource(handle, "effects", "effects", { prompt: selection.prompt });

  const toggle = (component: string) => session.toggleAblation(handle, component);
  const make = (change: Change) => void changes.make(handle, change);
  const code = () => requestCode(handle, "code", {});

  const controls = (
    <>
      <OptionButtons label="kind of ablation" of={kind} choices={ABLATION_KINDS} />
      <span class="lw-abl-actions">
        <Button
          label="undo"
          disabled={!changes.canUndo.value}
          onClick={() => make({ what: "undo" })}
        >
          ↶ undo
        </Button>
        <Button
          label="redo"
          disabled={!changes.canRedo.value}
          onClick={() => make({ what: "redo" })}
        >
          ↷ redo
        </Button>
        <Button
          label="clear"
          disabled={changes.interventions.value.length === 0}
          onClick={() => make({ what: "clear" })}
        />
        <CopyButton label="copy code" within={body} text={code} />
      </span>
    </>
  );

  return (
    <ViewFrame
      handle={handle}
      title="Ablations"
      controls={controls}
      compact={compact}
      takeaway={{ code }}
    >
      <div ref={body} class="lw-abl">
        <div class="lw-abl-columns">
          <section class="lw-abl-column" aria-label="switches">
            <div class="lw-abl-tools">
              <OptionButtons label="values in the cells" of={values} choices={VALUES} />
              {shown && (
                <ColorBar lo={-shown.scale} hi={shown.scale} unit={shown.units} scale="diverging" />
              )}
            </div>
            <Grid
              layers={info.n_layers}
              heads={info.n_heads}
              mlpLayers={info.mlp_layers}
              headValues={shown?.heads ?? null}
              mlpValues={shown?.mlps ?? null}
              scale={shown?.scale ?? 1}
              units={shown?.units ?? ""}
              stale={grid.stale}
              ablated={changes.ablated.value}
              selected={selection}
              previewed={session.preview.value}
              onToggle={toggle}
              onPreview={(head) => {
                session.preview.value = head;
              }}
              onSelect={(head) => session.select(head)}
              onClear={() => session.select({ query_pos: null, key_pos: null })}
            />
            <p class="lw-abl-caption">{shown?.definition}</p>
          </section>
          <section class="lw-abl-column" aria-label="active interventions">
            <h4 class="lw-abl-heading">Active</h4>
            <ActiveList
              interventions={changes.interventions.value}
              effects={effects.result}
              metric={effects.result?.summary.metric ?? "metric"}
              onEnable={({ key }, on) => make({ what: "enable", key, on })}
              onRemove={({ key }) => make({ what: "remove", key })}
            />
          </section>
          <section class="lw-abl-column lw-abl-after" aria-label="before and after">
            {effects.result && <BeforeAfter effects={effects.result} />}
          </section>
        </div>
      </div>
    </ViewFrame>
  );
}

/** The grid's numbers. While a sweep fills in, the scale of the last complete one is kept. */
function useGridValues(grid: Resource<Methods["ablation_grid"]>) {
  const { result, buffers, partial } = grid;
  const last = useRef({ values: "", scale: 0 });
  return useMemo(() => {
    if (!result) return null;
    const heads = decode(result.heads, buffers);
    const mlps = decode(result.mlps, buffers);
    const values = grid.args?.values ?? "";
    const known = niceCeil(Math.max(maxAbs(heads.data), maxAbs(mlps.data)));
    const before = last.current.values === values ? last.current.scale : 0;
    const scale = partial ? Math.max(known, before) : known;
    last.current = { values, scale };
    return { heads, mlps, scale, units: result.units, definition: result.definition };
  }, [result, buffers, partial, grid.args?.values]);
}
