import type { FunctionComponent, JSX } from "preact";
import { useCallback, useContext, useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { headLabel, parseHead } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { Columns } from "../../core/parts/columns";
import { CopyButton } from "../../core/parts/copy_button";
import { Later } from "../../core/parts/later";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, OptionChoice, SCOPES } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/attribution";
import type { EffectMapProps } from "./map";
import { useOrder } from "./order";
import { ReadAt, TokenPicker, useReadPos } from "./place";
import {
  type AttributionRow,
  DEFAULT_SORT,
  firstRows,
  matches,
  nextSort,
  rowsIn,
  rowsOf,
  totalOf,
} from "./rows";
import { Table } from "./table";

const BY = [
  { value: "head", label: "heads" },
  { value: "layer", label: "layers" },
  { value: "component", label: "parts", title: "every head, MLP, embedding and bias" },
] as const;

/** The body's width from which there is room for the map beside the table. */
const MAP_FROM = 860;

/** In a column: the tools above the table, the button and the sentence below. */
const AROUND_ROWS = 96;

const SOURCES_HEIGHT = 128;
const NEURONS_HEIGHT = 200;

const NO_ROWS: readonly AttributionRow[] = [];

/** What each part of the model adds to the metric directly, before and after the interventions. */
export function AttributionPanel(
  props: PanelProps & {
    /** Draws the heads' effects beside the table where there is room. */
    EffectMap?: FunctionComponent<EffectMapProps>;
  },
): JSX.Element {
  const { session, rpc, compact, EffectMap } = props;
  const handle = useView("attribution", { session, rpc });
  const by = session.option(ask.OPTIONS.by);
  const scope = session.setting("prompt_scope");
  const selection = session.selection.value;
  const prompt = scope.value === "mean" ? null : selection.prompt;
  const pos = useReadPos(handle);
  const args = { by: by.value, prompt, pos };
  const loaded = useAnswer(handle, ask.rows, args);
  const [sort, setSort] = useState(DEFAULT_SORT);
  const [sorts, setSorts] = useState(0);
  const [filter, setFilter] = useState("");
  const [open, setOpen] = useState<string | null>(null);
  const [whole, setWhole] = useState(false);
  const body = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(body);
  const inColumn = useContext(Columns) !== null;
  const ablated = session.changes.ablated.value;

  const { data } = loaded;
  const all = useMemo(() => (data ? rowsOf(data) : NO_ROWS), [data]);
  const total = useMemo(() => data && totalOf(data), [data]);
  const csv = () => data && datasetCsv(data);
  const code = () => askCode(handle, ask.code, args);
  const question = [JSON.stringify(loaded.args), session.state.value.prompts_revision, all.length];
  const key = [...question, sorts, loaded.partial ? loaded.seq : ""].join(" ");
  const order = useOrder(all, sort, key, ablated);
  const selected = headLabel(selection.layer, selection.head);
  const found = useMemo(
    () => order.rows.filter((row) => matches(row.component, filter)),
    [order.rows, filter],
  );
  const room = inColumn && !whole && open === null ? rowsIn(height - AROUND_ROWS) : found.length;
  const rows = useMemo(() => firstRows(found, room, selected), [found, room, selected]);
  const more = inColumn && (whole || rows.length < found.length);

  const toggle = useCallback(
    (component: string) => session.toggleAblation(handle, component),
    [session, handle],
  );
  const opened = open === null ? null : (all.find((row) => row.component === open) ?? null);
  const openHead = open === null ? null : parseHead(open);
  const detail = openHead ? (
    <Later view={handle} name="attribution_sources" own={() => import("./sources")}>
      {({ Sources }) => (
        <Sources view={handle} head={openHead} prompt={selection.prompt} pos={pos} />
      )}
    </Later>
  ) : (
    opened !== null &&
    opened.layer !== null && (
      <NeuronDetail view={handle} layer={opened.layer} prompt={prompt} pos={pos} />
    )
  );

  const rowChoice = <OptionButtons label="rows" of={by} choices={BY} />;
  const tools = (
    <>
      <OptionChoice label="prompts" of={scope} choices={SCOPES} />
      <ReadAt view={handle} />
      <input
        type="search"
        class="lw-attr-filter"
        aria-label="filter parts"
        title="words must all match, commas mean or: L1 mlp, H3"
        placeholder="filter"
        spellcheck={false}
        value={filter}
        onInput={(event) => setFilter(event.currentTarget.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Escape") setFilter("");
        }}
      />
      {!inColumn && (
        <span class="lw-attr-end">
          <CopyButton
            label="copy CSV"
            within={body}
            disabled={data === null}
            text={async () => csv() ?? ""}
          />
        </span>
      )}
    </>
  );

  return (
    <ViewFrame
      handle={handle}
      title={compact ? "Direct effect" : "Direct attribution"}
      compact={compact}
      takeaway={{ csv, code }}
      controls={
        compact ? (
          rowChoice
        ) : (
          <>
            {rowChoice}
            {tools}
          </>
        )
      }
    >
      <div ref={body} class="lw-attr">
        {compact && <div class="lw-attr-tools">{tools}</div>}
        {session.option(ask.OPTIONS.read_at).value === "selected" && (
          <TokenPicker view={handle} prompt={selection.prompt} />
        )}
        {data && total && (
          <>
            <div class="lw-attr-beside">
              <Table
                rows={rows}
                all={all}
                total={total}
                label={`direct effects by ${by.value}`}
                sort={sort}
                stale={order.stale}
                ablated={ablated}
                selected={selected}
                previewed={previewName(session.preview.value)}
                onSort={(column) => {
                  setSort(nextSort(sort, column, order.stale));
                  setSorts(sorts + 1);
                }}
                onToggle={toggle}
                onPreview={(head) => {
                  session.preview.value = head;
                }}
                onSelect={(head) => session.select(head)}
                open={open}
                opens={canOpen}
                detail={{ content: detail, height: openHead ? SOURCES_HEIGHT : NEURONS_HEIGHT }}
                onOpen={setOpen}
              />
              {EffectMap && width >= MAP_FROM && loaded.args?.by === "head" && (
                <EffectMap
                  view={handle}
                  rows={all}
                  units={data.attrs.units}
                  stale={loaded.stale}
                  onOpen={setOpen}
                />
              )}
            </div>
            {more && (
              <button
                type="button"
                class="lw-btn lw-attr-more"
                onClick={() => flush(() => setWhole(!whole))}
              >
                {whole ? "show fewer" : `${found.length - rows.length} more · show all`}
              </button>
            )}
            <p class="lw-attr-note" title={inColumn ? data.attrs.definition : undefined}>
              {data.attrs.definition} <span class="lw-attr-units">Units: {data.attrs.units}.</span>
              {total.current_sem !== null && (
                <span> ± is the standard error over {data.attrs.n_read} prompts.</span>
              )}
            </p>
          </>
        )}
      </div>
    </ViewFrame>
  );
}

/** A head opens into the tokens it read from, an MLP into its neurons. */
function canOpen(row: AttributionRow): boolean {
  return row.head !== null || row.component.endsWith(".mlp");
}

function previewName(head: { layer: number; head: number } | null): string | null {
  return head && headLabel(head.layer, head.head);
}

/** Loaded when an MLP's row is first opened. */
function NeuronDetail(props: {
  view: ViewHandle;
  layer: number;
  prompt: number | null;
  pos: number | null;
}): JSX.Element {
  return (
    <Later view={props.view} name="attribution_neurons" own={() => import("./neurons")}>
      {({ Neurons }) => <Neurons {...props} />}
    </Later>
  );
}
