import type { JSX } from "preact";
import { useContext, useMemo, useRef } from "preact/hooks";
import { niceCeil } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { Columns } from "../../core/parts/columns";
import { CopyButton } from "../../core/parts/copy_button";
import { Takeaway } from "../../core/parts/export_menu";
import type { Draw, PanelProps } from "../../core/parts/mount";
import { ABLATION_KINDS, OptionButtons, OptionChoice, SCOPES } from "../../core/parts/options";
import { AlertBox, Counted } from "../../core/parts/status";
import { Button, ColorBar } from "../../core/parts/ui";
import { CardHead, useView, ViewFrame, ViewRoot } from "../../core/parts/view";
import { maxAbs } from "../../core/state/arrays";
import type { Change } from "../../core/state/interventions";
import { type Answered, useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/ablation";
import { code as interventionCode } from "../../generated/session";
import { ActiveList } from "./active";
import { BeforeAfter } from "./after";
import { Grid } from "./grid";

/** From more heads on the grid has the width for itself. */
const WIDE = 16;

const VALUES = [
  { value: "attribution", label: "direct effect", title: "from one run" },
  {
    value: "effect",
    label: "effect of ablating (exact)",
    title: "the model is run once for every cell",
  },
] as const;

/** Switches for every head and MLP, what is active and what each of it does, and what comes of it. */
export function AblationPanelView(
  props: PanelProps & {
    /** Beside the title of the grid's card, where it is one of the explorer's. */
    effectsTools?: Draw | undefined;
  },
): JSX.Element {
  const { session, rpc, compact } = props;
  const handle = useView("ablation", { session, rpc });
  const kind = session.setting("ablation_kind");
  const values = session.option(ask.OPTIONS.values);
  const scope = session.setting("prompt_scope");
  const info = session.info.value;
  const selection = session.selection.value;
  const body = useRef<HTMLDivElement>(null);
  const inColumn = useContext(Columns) !== null;
  const { changes } = session;

  const args = {
    ablation_kind: values.value === "effect" ? kind.value : null,
    prompt: scope.value === "mean" ? null : selection.prompt,
  };
  const grid = useAnswer(handle, ask.grid, args, { sweep: values.value === "effect" });
  // Effects and attributions differ in kind: the ones are not left standing under the other's name.
  const other =
    grid.args !== null && (grid.args.ablation_kind === null) !== (args.ablation_kind === null);
  const known = useGridValues(grid);
  const shown = other ? null : known;
  const predictions = useAnswer(handle, ask.predictions, { prompt: selection.prompt });
  const effects = useAnswer(handle, ask.interventionEffects, {});

  const toggle = (component: string) => session.toggleAblation(handle, component);
  const make = (change: Change) => void changes.make(handle, change);
  const csv = () => grid.data && datasetCsv(grid.data);
  const code = () => askCode(handle, ask.code, args);

  const kinds = <OptionChoice label="kind of ablation" of={kind} choices={ABLATION_KINDS} />;
  const actions = (
    <span class="lw-abl-actions">
      <Button
        label="undo"
        title={stepWords("undo", changes.undoes.value)}
        asks
        disabled={changes.undoes.value === null}
        onClick={() => make({ what: "undo" })}
      >
        ↶ undo
      </Button>
      <Button
        label="redo"
        title={stepWords("redo", changes.redoes.value)}
        asks
        disabled={changes.redoes.value === null}
        onClick={() => make({ what: "redo" })}
      >
        ↷ redo
      </Button>
      <Button
        label="clear"
        asks
        disabled={changes.interventions.value.length === 0}
        onClick={() => make({ what: "clear" })}
      />
      <CopyButton
        label="copy code"
        within={body}
        text={() => askCode(handle, interventionCode, {})}
      />
    </span>
  );

  const tools = (
    <div class="lw-abl-tools">
      <OptionChoice label="values in the cells" of={values} choices={VALUES} />
      <span style={{ visibility: shown ? "visible" : "hidden" }}>
        <ColorBar
          lo={-(shown?.scale ?? 1)}
          hi={shown?.scale ?? 1}
          unit={shown?.units ?? "logits"}
          scale="diverging"
        />
      </span>
      {(other || grid.partial) && <Counted handle={handle} />}
    </div>
  );
  const switches = (
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
  );
  const caption = <p class="lw-abl-caption">{shown?.definition}</p>;
  const active = (
    <ActiveList
      interventions={changes.interventions.value}
      effects={effects.data}
      onEnable={({ key }, on) => make({ what: "enable", key, on })}
      onRemove={({ key }) => make({ what: "remove", key })}
    />
  );
  const after = predictions.data && (
    <BeforeAfter
      predictions={predictions.data}
      mean={inColumn ? null : session.metric.value}
      most={inColumn ? 5 : undefined}
    />
  );

  if (compact) {
    return (
      <ViewRoot handle={handle}>
        <section class="lw-card lw-effects-card" aria-label="switches">
          <CardHead
            handle={handle}
            title="Effects"
            controls={props.effectsTools?.()}
            end={<Takeaway {...{ handle, csv, code }} />}
          />
          <AlertBox handle={handle} />
          <div class="lw-body lw-abl" ref={body}>
            {tools}
            {switches}
            {caption}
          </div>
        </section>
        <section class="lw-card lw-active-card" aria-label="interventions">
          <CardHead handle={handle} quiet title="Interventions" controls={kinds} />
          <div class="lw-body">
            {actions}
            {active}
          </div>
        </section>
        <section class="lw-card lw-after-card lw-abl-after" aria-label="before and after">
          <div class="lw-body">{after}</div>
        </section>
      </ViewRoot>
    );
  }
  return (
    <ViewFrame
      handle={handle}
      title="Ablations"
      controls={
        <>
          {kinds}
          <OptionButtons label="prompts" of={scope} choices={SCOPES} />
          {actions}
        </>
      }
      compact={false}
      takeaway={{ csv, code }}
    >
      <div ref={body} class="lw-abl">
        <div class="lw-abl-columns" data-wide={info.n_heads > WIDE || undefined}>
          <section class="lw-abl-column" aria-label="switches">
            {tools}
            {switches}
            {caption}
          </section>
          <section class="lw-abl-column" aria-label="interventions">
            <h4 class="lw-abl-heading">Interventions</h4>
            {active}
          </section>
          <section class="lw-abl-column lw-abl-after" aria-label="before and after">
            {after}
          </section>
        </div>
      </div>
    </ViewFrame>
  );
}

/** The grid's numbers. While a sweep fills in, the scale of the last complete one is kept. */
function useGridValues({
  data,
  args,
  partial,
}: Answered<{ ablation_kind: string | null }, ask.Grid>) {
  const last = useRef({ values: "", scale: 0 });
  const values = args?.ablation_kind ? "effect" : "attribution";
  return useMemo(() => {
    if (!data) return null;
    const heads = data.array("heads");
    const mlps = data.array("mlps");
    const known = niceCeil(Math.max(maxAbs(heads.data), maxAbs(mlps.data)));
    const before = last.current.values === values ? last.current.scale : 0;
    const scale = partial ? Math.max(known, before) : known;
    last.current = { values, scale };
    return { heads, mlps, scale, ...data.attrs };
  }, [data, partial, values]);
}

/** `undo: ablate L1H4`: what a step would change, before it does. */
function stepWords(step: "undo" | "redo", words: string | null): string {
  return words ? `${step}: ${words}` : step;
}
