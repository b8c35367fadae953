import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { parseHead } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import type { PanelProps } from "../../core/parts/mount";
import { Button } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/data";
import { rangeText, whole } from "./bars";
import { CellChoice, CellMeans } from "./cells";
import { Histogram } from "./histogram";
import { type RecordRow, RecordTable, RowPager, type SortBy } from "./table";

const COUNT = 20;

/** Below this width the answers stand in the opened rows alone. */
const NARROW = 620;

/** From this width on the cells stand beside the histogram. */
const WIDE = 760;

/** How the kernel's words for it begin, and those shown until it has answered. */
const OPENED = "the opening of record";

/** What is stored is of no revision: only which prompt is open changes, with the prompts. */
const STORED = { on: "prompts" } as const;

/** A stored number of every prompt of a data set: its histogram, and the prompts in a table. */
export function DataPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("data", { session, rpc });
  const path = session.option(ask.OPTIONS.path).value;
  const quantity = session.option(ask.OPTIONS.quantity);
  const cell = session.option(ask.OPTIONS.cell);
  const sortBy = session.option(ask.OPTIONS.sort_by);
  const descending = session.option(ask.OPTIONS.descending);
  const groups = session.option(ask.OPTIONS.groups);
  const find = session.option(ask.OPTIONS.find);
  const atLeast = session.option(ask.OPTIONS.at_least);
  const below = session.option(ask.OPTIONS.below);
  const body = useRef<HTMLDivElement>(null);
  const { width } = useSize(body);
  const { layer, head, prompt } = session.selection.value;
  const { n_layers, n_heads } = session.info.value;

  const place = { quantity: quantity.value, cell: cell.value, layer, head };
  const filters = {
    sort_by: sortBy.value,
    descending: descending.value,
    groups: groups.value,
    find: find.value,
    at_least: atLeast.value,
    below: below.value,
  };
  // Whatever changes the order or what passes starts at the first row.
  const listed = JSON.stringify([place, filters]);
  const [page, setPage] = useState({ of: listed, first: 0 });
  const first = page.of === listed ? page.first : 0;

  const store = useAnswer(handle, ask.store, path === null ? null : { path }, STORED);
  const means = useAnswer(
    handle,
    ask.means,
    path === null ? null : { path, quantity: quantity.value },
    STORED,
  );
  const bars = useAnswer(handle, ask.bars, path === null ? null : { path, ...place }, STORED);
  const rows = useAnswer(
    handle,
    ask.rows,
    path === null ? null : { path, ...place, ...filters, prompt, first, count: COUNT },
    STORED,
  );
  const known = store.data?.attrs.quantities;
  const named = bars.data?.attrs.quantity;
  const info = useMemo(
    () => known?.find(({ name }) => name === (quantity.value ?? named)) ?? known?.[0],
    [known, named, quantity.value],
  );
  const shown = cell.value ?? bars.data?.attrs.cell ?? "";
  const range =
    atLeast.value !== null && below.value !== null
      ? { low: atLeast.value, high: below.value }
      : null;

  const pick = (name: string) => {
    const dims = info?.axes.map(({ dim }) => dim).join();
    const found = dims === "layer,head" ? parseHead(name) : null;
    // The selection is of this model's heads; what is stored may be another's.
    if (found && found.layer < n_layers && found.head < n_heads) {
      cell.value = null;
      session.select(found);
    } else cell.value = name;
  };
  const sort = (by: SortBy) => {
    // Values begin with the largest, names and numbers with the first.
    descending.value = by === sortBy.value ? !descending.value : by === "value";
    sortBy.value = by;
  };
  const extreme = (largest: boolean) => {
    sortBy.value = "value";
    descending.value = largest;
  };
  const open = ({ record }: RecordRow) => {
    if (path === null) return;
    void session.changes.make(handle, {
      what: "prompts",
      words: `${OPENED} ${record}`,
      ask: () => handle.change(ask.openRecord, { path, record }),
    });
  };
  const undoes = session.changes.undoes.value;
  const undo = () => void session.changes.make(handle, { what: "undo" });
  const setRange = (next: { low: number; high: number } | null) => {
    atLeast.value = next?.low ?? null;
    below.value = next?.high ?? null;
  };

  if (path === null) {
    return (
      <ViewFrame handle={handle} title="Data" compact={compact}>
        <NoPath />
      </ViewFrame>
    );
  }
  const { data } = rows;
  const wide = width >= WIDE;
  const cells = info && info.axes.length > 0 && means.data;
  return (
    <ViewFrame
      handle={handle}
      title="Data"
      compact={compact}
      controls={
        info && known ? (
          <CellChoice
            quantities={known}
            quantity={info}
            shown={shown}
            onQuantity={(name) => {
              quantity.value = name;
              cell.value = null;
              setRange(null);
            }}
            onCell={pick}
          />
        ) : (
          <span class="lw-data-of" />
        )
      }
      takeaway={{
        csv: () => data && datasetCsv(data),
        code: () => askCode(handle, ask.code, { path, ...place, descending: descending.value }),
      }}
      reserve={(w) => (w >= WIDE ? 1120 : 1450)}
    >
      <div ref={body} class="lw-data" data-wide={wide}>
        {store.data?.attrs.expected != null && (
          <p class="lw-data-part-of">
            {whole(store.data.attrs.n_records)} of {whole(store.data.attrs.expected)} records so
            far: the run is not finished.{" "}
            <Button label="refresh" asks onClick={() => handle.retry()} />
          </p>
        )}
        {bars.data && (
          <p class="lw-said">
            {shown ? `${bars.data.attrs.quantity} of ${shown}` : bars.data.attrs.quantity}
            {bars.data.attrs.definition && `: ${bars.data.attrs.definition}`}
            {bars.data.attrs.units && `, in ${bars.data.attrs.units}`}
          </p>
        )}
        <div class="lw-data-above">
          {cells && (
            <CellMeans
              data={cells}
              between={info.between}
              stale={means.stale}
              shown={shown}
              onPick={pick}
            />
          )}
          {bars.data && (
            <Histogram
              data={bars.data}
              stale={bars.stale}
              range={range}
              chosen={groups.value}
              onRange={setRange}
              onGroups={(next) => {
                groups.value = next;
              }}
            />
          )}
        </div>
        {data && (
          <>
            <div class="lw-data-filters">
              <input
                type="search"
                class="lw-data-find"
                aria-label="text in prompts"
                placeholder="text in prompts"
                spellcheck={false}
                value={find.value}
                onInput={(event) => {
                  find.value = event.currentTarget.value;
                }}
              />
              <Button label="most positive" asks onClick={() => extreme(true)} />
              <Button label="most negative" asks onClick={() => extreme(false)} />
              {range && (
                <Button
                  label={`take the range ${rangeText(range)} away`}
                  asks
                  onClick={() => setRange(null)}
                >
                  {rangeText(range)} ×
                </Button>
              )}
              <span class="lw-data-found">
                <RowPager
                  first={data.attrs.first}
                  count={COUNT}
                  found={data.attrs.n_found}
                  onFirst={(next) => setPage({ of: listed, first: next })}
                />
                {data.attrs.n_found < data.attrs.n_records && (
                  <span class="lw-muted lw-num">({whole(data.attrs.n_records)} in all)</span>
                )}
              </span>
            </div>
            <RecordTable
              data={data}
              sort={{ by: sortBy.value, descending: descending.value }}
              onSort={sort}
              narrow={width < NARROW}
              onOpen={open}
            />
            <p class="lw-muted">
              Click a row to open its prompt in the session, in the place of the prompts there:
              every other view follows.{" "}
              {undoes?.startsWith(OPENED) ? (
                <Button label="former prompts" title={`undo ${undoes}`} asks onClick={undo}>
                  ↶ former prompts
                </Button>
              ) : (
                "Undo (z) brings the former prompts back."
              )}
            </p>
            <p class="lw-muted">
              Only what is stored is shown. To rank prompts by a neuron or along a direction, store
              a number of each: <code class="lw-mono">quantities=&#123;"along": f&#125;</code>,
              where f(session) gives one a prompt. The guide's page on data sets has an example.
            </p>
          </>
        )}
      </div>
    </ViewFrame>
  );
}

/** What to do before there is anything to show. */
function NoPath(): JSX.Element {
  return (
    <div class="lw-data">
      <p class="lw-said">No results are chosen. Run a data set, then show what it wrote:</p>
      <pre class="lw-mono lw-data-code">
        {`run = lw.DataRun(make_model, dataset, quantities={"ablation": lw.analysis.ablation_sweep}, path="results")
run.run()
lw.DataView(session, path="results")`}
      </pre>
    </div>
  );
}
