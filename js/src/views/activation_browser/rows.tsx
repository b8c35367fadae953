import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { type Column, DataTable } from "../../core/parts/table/table";
import { flush } from "../../core/state/flush";
import { type ActivationRow, megabytes, type Section, search, sections, shapeText } from "./list";

/** From so many sections on, all start closed. */
const MANY = 12;

/** A section's own line, or one of its activations. */
type Item = { section: Section; row: ActivationRow | null };

const COLUMNS: readonly Column<Item>[] = [
  {
    id: "hook",
    head: "hook",
    names: true,
    cell: ({ section, row }) =>
      row
        ? { content: row.name, class: "lw-mono" }
        : {
            content: (
              <>
                {section.title} <span class="lw-muted lw-num">{section.rows.length}</span>
              </>
            ),
          },
  },
  {
    id: "key",
    head: "cache[…]",
    cell: ({ row }) => ({ content: row?.key, class: "lw-mono lw-muted" }),
  },
  {
    id: "shape",
    head: "shape",
    numeric: true,
    cell: ({ row }) => ({ content: row && shapeText(row.shape), value: row?.shape.join(" x ") }),
  },
  {
    id: "bytes",
    head: "MB",
    numeric: true,
    cell: ({ section, row }) => ({
      content: megabytes(row ? row.bytes : section.bytes),
      value: row ? row.bytes : undefined,
    }),
  },
];

/** The names, shapes and sizes, searchable, in sections that open and close. */
export function ActivationList(props: {
  rows: readonly ActivationRow[];
  groupBy: "layer" | "hook";
  chosen: ActivationRow | null;
  onPick: (row: ActivationRow) => void;
}): JSX.Element {
  const { rows, groupBy, chosen, onPick } = props;
  const [text, setText] = useState("");
  const [turned, setTurned] = useState<ReadonlyMap<string, boolean>>(new Map());
  const list = useRef<HTMLDivElement>(null);
  const found = useMemo(() => search(rows, text), [rows, text]);
  const parts = useMemo(() => sections(found, groupBy), [found, groupBy]);
  const searching = text.trim() !== "";
  const startOpen = searching || (groupBy === "layer" && parts.length < MANY);
  const isOpen = (section: Section) =>
    turned.get(section.id) ?? (startOpen || (chosen !== null && section.rows.includes(chosen)));
  const items = parts.flatMap((section): Item[] => [
    { section, row: null },
    ...(isOpen(section) ? section.rows.map((row) => ({ section, row })) : []),
  ]);
  return (
    <div ref={list} class="lw-act-list">
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
          else if (event.key === "ArrowDown") {
            list.current?.querySelector<HTMLElement>("[data-row-key]")?.focus();
          } else if (event.key === "Enter" && searching && first) flush(() => onPick(first));
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <p class="lw-said lw-num" role="status">
        {searching ? `${found.length} of ${rows.length}` : ""}
      </p>
      <DataTable
        label="activations"
        class="lw-act-table"
        columns={COLUMNS}
        rows={items}
        keyOf={({ section, row }) => (row ? row.name : `section ${section.id}`)}
        deps={({ section, row }) => [row, row ?? section]}
        level={({ row }) => (row ? 2 : 1)}
        attributes={({ section, row }) =>
          row
            ? { "data-activation": row.name, title: titleOf(row) }
            : { "data-section": section.title }
        }
        choice={{ selected: chosen?.name ?? null, can: ({ row }) => row !== null }}
        // Not whenever the rows are told anew: the person may have scrolled elsewhere.
        follow={`${chosen?.name} ${groupBy}`}
        open={{
          isOpen: ({ section, row }) => (row ? null : isOpen(section)),
          onTurn: ({ section }, open) => setTurned(new Map(turned).set(section.id, open)),
        }}
        onChoose={({ row }) => row && onPick(row)}
      />
    </div>
  );
}

function titleOf({ name, aliases, dims }: ActivationRow): string {
  const others = aliases.length > 0 ? `, also ${aliases.join(", ")}` : "";
  return `${name}${others}; [${dims.join(", ")}]`;
}
