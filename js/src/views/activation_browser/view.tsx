import type { JSX } from "preact";
import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import { askCode } from "../../core/export/code";
import { gridCsv } from "../../core/export/csv";
import { CopyButton } from "../../core/parts/copy_button";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, RUNS } from "../../core/parts/options";
import { Button } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/activation_browser";
import { tokens as askTokens } from "../../generated/session";
import { indices, sidesOf } from "./axes";
import { type ActivationRow, expand, HEAD_DIMS, megabytes, POS_DIMS, rowOf } from "./list";
import { type Corner, Plane } from "./plane";
import { ActivationList } from "./rows";
import { Stats } from "./stats";

const GROUP = [
  { value: "layer", label: "by layer" },
  { value: "hook", label: "by hook", title: "each hook through all layers" },
] as const;
const ROWS = [
  { value: "pos", label: "positions", title: "positions down, of one head" },
  { value: "head", label: "heads", title: "heads down, at one position" },
] as const;

/** Every activation of the current run; the chosen one is computed, measured and mapped. */
export function ActivationBrowserPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("activation_browser", { session, rpc });
  const { prompt, head, query_pos } = session.selection.value;
  const chosen = session.option(ask.OPTIONS.activation);
  const show = session.option(ask.OPTIONS.show);
  const sliceRows = session.option(ask.OPTIONS.slice_rows);
  const groupBy = session.option(ask.OPTIONS.group_by);
  const listed = useAnswer(handle, ask.listing, {}, { on: "prompts" });
  const groups = listed.data?.attrs.groups ?? NO_GROUPS;
  const rows = useMemo(() => expand(groups), [groups]);
  const row = rowOf(rows, chosen.value);
  const twoWays = row !== null && has(row, HEAD_DIMS) && has(row, POS_DIMS);
  const slice_rows = twoWays ? sliceRows.value : "pos";
  const [corner, setCorner] = useState<{ of: string; at: Corner | null }>({ of: "", at: null });
  const of = `${chosen.value} ${prompt} ${slice_rows}`;
  const from = corner.of === of ? corner.at : null;
  // What an answer does not depend on is always asked in the same way.
  const args = row && {
    activation: chosen.value,
    prompt,
    show: show.value,
    slice_rows,
    ...(twoWays && (slice_rows === "head" ? { query_pos } : { head })),
    ...(from && { row_from: from.row, column_from: from.column }),
  };
  const loaded = useAnswer(handle, ask.plane, args);
  const plane = chosen.value === loaded.data?.attrs.activation ? loaded.data : null;
  const values = plane?.numbers("values") ?? null;
  const shownPrompt = plane?.attrs.prompt ?? prompt;
  const tokens = useAnswer(handle, askTokens, { prompt: shownPrompt }, { on: "prompts" });
  const texts = useMemo(() => tokens.data?.texts("token") ?? [], [tokens.data]);
  const changed = session.changes.interventions.value.some(({ enabled }) => enabled);
  const body = useRef<HTMLDivElement>(null);
  const code = () => askCode(handle, ask.code, { activation: chosen.value, show: show.value });
  const layer = row?.layer ?? session.selection.value.layer;
  const heads = session.info.value.n_heads;
  const goTo = useCallback(
    (dim: string, index: number) => {
      const size = row?.shape[row.dims.indexOf(dim)] ?? heads;
      if (HEAD_DIMS.includes(dim)) session.select({ layer, head: (index * heads) / size });
      else if (dim === "key_pos") session.select({ key_pos: index });
      else if (POS_DIMS.includes(dim)) session.select({ query_pos: index });
    },
    [session, row, layer, heads],
  );
  const lookFrom = useCallback((at: Corner | null) => setCorner({ of, at }), [of]);
  const csv = () => {
    if (!plane) return null;
    const { row: down, column: across } = sidesOf(plane);
    return gridCsv(indices(down).map(String), indices(across).map(String), values);
  };
  const controls = (
    <>
      <OptionButtons label="group" of={groupBy} choices={GROUP} />
      <OptionButtons label="run" of={show} choices={RUNS} />
      {twoWays && <OptionButtons label="rows" of={sliceRows} choices={ROWS} />}
    </>
  );
  return (
    <ViewFrame
      handle={handle}
      title="Activations"
      controls={controls}
      compact={compact}
      takeaway={{ csv, ...(row && { code }) }}
      reserve={() => (chosen.value ? 990 : 440)}
    >
      <div ref={body} class="lw-act">
        <div class="lw-act-left">
          {listed.data && (
            <p class="lw-said lw-num" data-total-bytes={listed.data.attrs.n_bytes}>
              {listed.data.attrs.n_activations} activations, {megabytes(listed.data.attrs.n_bytes)}{" "}
              MB together; none is computed before you choose it
            </p>
          )}
          <ActivationList
            rows={rows}
            groupBy={groupBy.value}
            chosen={row}
            onPick={(picked) => {
              chosen.value = picked.name;
            }}
          />
        </div>
        <section class="lw-act-right" aria-label="chosen activation">
          {!row && (
            <p class="lw-said">choose an activation: its statistics and a slice appear here</p>
          )}
          {row && (
            <div class="lw-act-top">
              <h3 class="lw-mono lw-act-name">{chosen.value}</h3>
              <CopyButton label="copy code" within={body} text={code} />
            </div>
          )}
          {row && <Names row={row} shown={chosen.value} />}
          {plane && values && (
            <>
              <Stats plane={plane} changed={changed} />
              <p class="lw-act-cuts lw-num">
                {plane.attrs.show},{" "}
                {plane.attrs.dims.map((d, i) => `${d} ${plane.attrs.shape[i]}`).join(" × ")}
                {plane.attrs.cuts.map((cut) => (
                  <Stepper key={cut.dim} cut={cut} onChange={(index) => goTo(cut.dim, index)} />
                ))}
              </p>
              <Plane
                plane={plane}
                tokens={texts}
                values={values}
                stale={loaded.stale}
                onPick={goTo}
                onCorner={lookFrom}
              />
            </>
          )}
        </section>
      </div>
    </ViewFrame>
  );
}

const NO_GROUPS: [] = [];

function has(row: ActivationRow, dims: readonly string[]): boolean {
  return row.dims.some((dim) => dims.includes(dim));
}

function Names({ row, shown }: { row: ActivationRow; shown: string }): JSX.Element {
  const others = [row.name, ...row.aliases].filter((name) => name !== shown);
  return (
    <p class="lw-said">
      {row.key && <span class="lw-mono">cache[{row.key}]</span>}
      {row.key && others.length > 0 && " · "}
      {others.length > 0 && (
        <>
          also <span class="lw-mono">{others.join(", ")}</span>
        </>
      )}
    </p>
  );
}

function Stepper(props: { cut: ask.AxisCut; onChange: (index: number) => void }): JSX.Element {
  const { cut, onChange } = props;
  const { dim, index, size } = cut;
  const name = dim.replaceAll("_", " ");
  const movable = HEAD_DIMS.includes(dim) || POS_DIMS.includes(dim);
  return (
    <span class="lw-act-step" data-cut={dim} data-index={index}>
      {movable && (
        <Button
          label={`previous ${name}`}
          disabled={index === 0}
          onClick={() => onChange(index - 1)}
        >
          ‹
        </Button>
      )}
      {name} {index} <span class="lw-muted">of 0 to {size - 1}</span>
      {movable && (
        <Button
          label={`next ${name}`}
          disabled={index >= size - 1}
          onClick={() => onChange(index + 1)}
        >
          ›
        </Button>
      )}
    </span>
  );
}
