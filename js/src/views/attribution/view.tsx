import type { JSX } from "preact";
import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { headLabel, parseHead } from "../../core/draw/format";
import { CopyButton } from "../../core/parts/copy_button";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, SCOPES } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import { useResource } from "../../core/state/resource";
import type { AttributionRow } from "../../generated/protocol";
import { toCsv } from "./csv";
import { EffectMap } from "./map";
import { Neurons } from "./neurons";
import { useOrder } from "./order";
import { ReadAt, TokenPicker, useReadPos } from "./place";
import { DEFAULT_SORT, matches, nextSort } from "./rows";
import { Sources } from "./sources";
import { Table } from "./table";

const BY = [
  { value: "head", label: "heads" },
  { value: "layer", label: "layers" },
  { value: "component", label: "parts", title: "every head, MLP, embedding and bias" },
] as const;

/** The body's width from which there is room for the map beside the table. */
const MAP_FROM = 860;

const SOURCES_HEIGHT = 128;
const NEURONS_HEIGHT = 200;

const NO_ROWS: readonly AttributionRow[] = [];

/** What each part of the model adds to the metric directly, before and after the interventions. */
export function AttributionPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("attribution", { session, rpc });
  const by = session.option("by");
  const scope = session.option("scope");
  const selection = session.selection.value;
  // The mean does not depend on the selected prompt, so paging must not ask for it again.
  const prompt = scope.value === "mean" ? 0 : selection.prompt;
  const pos = useReadPos(handle);
  const loaded = useResource(handle, "rows", "attribution", {
    by: by.value,
    scope: scope.value,
    prompt,
    pos,
  });
  const [sort, setSort] = useState(DEFAULT_SORT);
  const [sorts, setSorts] = useState(0);
  const [filter, setFilter] = useState("");
  const [open, setOpen] = useState<string | null>(null);
  const body = useRef<HTMLDivElement>(null);
  const { width } = useSize(body);
  const ablated = session.changes.ablated.value;

  const { result } = loaded;
  const all = result?.rows ?? NO_ROWS;
  const question = [JSON.stringify(loaded.args), session.state.value.prompts_revision, all.length];
  const key = [...question, sorts, loaded.partial ? loaded.seq : ""].join(" ");
  const order = useOrder(all, sort, key, ablated);
  const rows = useMemo(
    () => order.rows.filter((row) => matches(row.component, filter)),
    [order.rows, filter],
  );

  const toggle = useCallback(
    (component: string) => session.toggleAblation(handle, component),
    [session, handle],
  );
  const opened = open === null ? null : (all.find((row) => row.component === open) ?? null);
  const openHead = open === null ? null : parseHead(open);
  const detail = openHead ? (
    <Sources view={handle} head={openHead} prompt={selection.prompt} pos={pos} />
  ) : (
    opened !== null &&
    opened.layer !== null && (
      <Neurons view={handle} layer={opened.layer} scope={scope.value} prompt={prompt} pos={pos} />
    )
  );

  const rowChoice = <OptionButtons label="rows" of={by} choices={BY} />;
  const tools = (
    <>
      <OptionButtons label="prompts" of={scope} choices={SCOPES} />
      <ReadAt view={handle} />
      <input
        type="search"
        class="lw-attr-filter"
        aria-label="filter parts"
        title="words must all match, commas mean or: L1 mlp, H3"
        placeholder="filter: L1, mlp"
        spellcheck={false}
        value={filter}
        onInput={(event) => setFilter(event.currentTarget.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Escape") setFilter("");
        }}
      />
      <span class="lw-attr-end">
        <CopyButton
          label="copy CSV"
          within={body}
          disabled={result === null}
          text={async () => toCsv(rows, result?.total ?? null)}
        />
      </span>
    </>
  );

  return (
    <ViewFrame
      handle={handle}
      title={compact ? "Attribution" : "Direct attribution"}
      compact={compact}
      takeaway={{ csv: () => result && toCsv(rows, result.total) }}
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
        {session.option("read_at").value === "selected" && (
          <TokenPicker view={handle} prompt={selection.prompt} />
        )}
        {result && (
          <>
            <div class="lw-attr-beside">
              <Table
                rows={rows}
                all={all}
                total={result.total}
                label={`direct effects by ${by.value}`}
                sort={sort}
                stale={order.stale}
                ablated={ablated}
                selected={headLabel(selection.layer, selection.head)}
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
              {width >= MAP_FROM && loaded.args?.by === "head" && (
                <EffectMap
                  view={handle}
                  rows={all}
                  units={result.units}
                  stale={loaded.stale}
                  onOpen={setOpen}
                />
              )}
            </div>
            <p class="lw-attr-note">
              {result.definition} <span class="lw-attr-units">Units: {result.units}.</span>
              {result.total.current_sem !== null && (
                <span> ± is the standard error over {result.n_read} prompts.</span>
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
