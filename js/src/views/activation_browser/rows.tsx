import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { flush } from "../../core/state/flush";
import type { Options } from "../../generated/protocol";
import { type ActivationRow, megabytes, type Section, search, sections, shapeText } from "./list";

/** From so many sections on, all start closed. */
const MANY = 12;
/** More rows are not written at once; a search finds them. */
const MAX_ROWS = 600;

type Item = { section: Section; row: ActivationRow | null };

/** The names, shapes and sizes, searchable, in sections that open and close. */
export function ActivationList(props: {
  rows: readonly ActivationRow[];
  groupBy: Options["group_by"];
  chosen: ActivationRow | null;
  onPick: (row: ActivationRow) => void;
}): JSX.Element {
  const { rows, groupBy, chosen, onPick } = props;
  const [text, setText] = useState("");
  const [turned, setTurned] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [at, setAt] = useState<string | null>(null);
  const grid = useRef<HTMLDivElement>(null);
  const found = useMemo(() => search(rows, text), [rows, text]);
  const parts = useMemo(() => sections(found, groupBy), [found, groupBy]);
  const searching = text.trim() !== "";
  const startOpen = searching || (groupBy === "layer" && parts.length < MANY);
  const isOpen = (section: Section) =>
    turned.get(section.id) ?? (startOpen || (chosen !== null && section.rows.includes(chosen)));
  const items: Item[] = [];
  for (const section of parts) {
    items.push({ section, row: null });
    if (isOpen(section)) items.push(...section.rows.map((row) => ({ section, row })));
  }
  const shown = items.slice(0, MAX_ROWS);
  const keys = shown.map(keyOf);
  const entry =
    at !== null && keys.includes(at) ? at : (keys.find((key) => key === chosen?.name) ?? keys[0]);

  useLayoutEffect(() => {
    const box = grid.current;
    const line = box?.querySelector('[aria-selected="true"]');
    if (!box || !line) return;
    // Within the list alone: `scrollIntoView` would move the notebook, too.
    const { top, bottom, height } = line.getBoundingClientRect();
    const inside = box.getBoundingClientRect();
    if (top < inside.top + height) box.scrollTop -= inside.top + height - top;
    else if (bottom > inside.bottom - height) box.scrollTop += bottom - inside.bottom + height;
    // Not whenever the rows are told anew: the person may have scrolled elsewhere.
  }, [chosen?.name, groupBy]);

  const focusOn = (index: number) => {
    const to = keys[Math.max(0, Math.min(keys.length - 1, index))];
    if (to === undefined) return;
    flush(() => setAt(to));
    const target = [...(grid.current?.querySelectorAll<HTMLElement>("[data-item]") ?? [])];
    target.find((element) => element.dataset.item === to)?.focus();
  };
  const turn = (section: Section, open = !isOpen(section)) =>
    flush(() => setTurned(new Map(turned).set(section.id, open)));
  const act = ({ section, row }: Item) => {
    if (row) flush(() => onPick(row));
    else turn(section);
  };
  const indexOf = (target: EventTarget | null): number => {
    const line = target instanceof Element ? target.closest<HTMLElement>("[data-item]") : null;
    return line?.dataset.item === undefined ? -1 : keys.indexOf(line.dataset.item);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const index = indexOf(event.target);
    const item = shown[index];
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const heading = () => keys.indexOf(keyOf({ section: item.section, row: null }));
    if (event.key === "ArrowDown") focusOn(index + 1);
    else if (event.key === "ArrowUp") focusOn(index - 1);
    else if (event.key === "Home") focusOn(0);
    else if (event.key === "End") focusOn(keys.length - 1);
    else if (event.key === "ArrowLeft") {
      if (item.row) focusOn(heading());
      else turn(item.section, false);
    } else if (event.key === "ArrowRight" && !item.row) turn(item.section, true);
    else if (event.key === "Enter" || event.key === " ") act(item);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="lw-act-list">
      <input
        type="search"
        class="lw-act-search"
        aria-label="search for activations"
        placeholder="search: 3 attn, resid_post"
        spellcheck={false}
        value={text}
        onInput={(event) => {
          const typed = event.currentTarget.value;
          flush(() => {
            setText(typed);
            setTurned(new Map());
          });
        }}
        onKeyDown={(event) => {
          const first = found[0];
          if (event.key === "Escape") flush(() => setText(""));
          else if (event.key === "ArrowDown") focusOn(0);
          else if (event.key === "Enter" && searching && first) flush(() => onPick(first));
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <p class="lw-said lw-num" role="status">
        {searching ? `${found.length} of ${rows.length}` : ""}
        {items.length > shown.length ? ` · ${items.length - shown.length} more lines: search` : ""}
      </p>
      <div class="lw-act-row lw-act-titles" aria-hidden="true">
        <span>hook</span>
        <span>cache[…]</span>
        <span>shape</span>
        <span>MB</span>
      </div>
      <div
        ref={grid}
        class="lw-act-grid"
        role="tree"
        aria-label="activations"
        tabIndex={-1}
        onKeyDown={onKeyDown}
        onClick={(event) => {
          const item = shown[indexOf(event.target)];
          if (!item) return;
          flush(() => {
            setAt(keyOf(item));
            act(item);
          });
        }}
      >
        {shown.map((item, index) => {
          const key = keys[index] ?? "";
          const common = {
            id: key,
            inTabOrder: key === entry,
          };
          return item.row ? (
            <Line key={key} {...common} row={item.row} chosen={item.row === chosen} />
          ) : (
            <Heading key={key} {...common} section={item.section} open={isOpen(item.section)} />
          );
        })}
      </div>
    </div>
  );
}

function keyOf({ section, row }: Item): string {
  return row ? row.name : `section ${section.id}`;
}

type Common = { id: string; inTabOrder: boolean };

function Heading(props: Common & { section: Section; open: boolean }): JSX.Element {
  const { id, inTabOrder, section, open } = props;
  return (
    <div
      class="lw-act-row lw-act-heading"
      role="treeitem"
      aria-level={1}
      aria-expanded={open}
      data-section={section.title}
      data-item={id}
      tabIndex={inTabOrder ? 0 : -1}
    >
      <span class="lw-act-title">
        <span class="lw-act-turn" aria-hidden="true">
          {open ? "▾" : "▸"}
        </span>{" "}
        {section.title} <span class="lw-muted lw-num">{section.rows.length}</span>
      </span>
      <span class="lw-num">{megabytes(section.bytes)}</span>
    </div>
  );
}

function Line(props: Common & { row: ActivationRow; chosen: boolean }): JSX.Element {
  const { id, inTabOrder, row, chosen } = props;
  const others = row.aliases.length > 0 ? `, also ${row.aliases.join(", ")}` : "";
  return (
    <div
      class="lw-act-row lw-act-line"
      role="treeitem"
      aria-level={2}
      aria-selected={chosen}
      data-activation={row.name}
      title={`${row.name}${others}; [${row.dims.join(", ")}]`}
      data-item={id}
      tabIndex={inTabOrder ? 0 : -1}
    >
      <span class="lw-mono">{row.name}</span>
      <span class="lw-mono lw-muted">{row.key}</span>
      <span class="lw-num" data-column="shape">
        {shapeText(row.shape)}
      </span>
      <span
        class="lw-num"
        data-column="bytes"
        data-value={row.bytes === null ? "" : String(row.bytes)}
      >
        {megabytes(row.bytes)}
      </span>
    </div>
  );
}
