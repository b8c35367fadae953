import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fixed, signed } from "../../core/draw/format";
import { type Column, DataTable } from "../../core/parts/table/table";
import { Switch } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { Edge } from "./edges";

type ColumnId = "cut" | "writer" | "reader" | "score" | "stability";

interface Row extends Edge {
  isCut: boolean;
}

/** Rows until more are asked for. */
const FIRST = 12;

/** The graph's edges as rows: for the keyboard, to be read aloud, and for exact numbers. */
export function EdgeTable(props: {
  edges: readonly Edge[];
  /** How many the circuit has; the strongest are listed. */
  total: number;
  cut: ReadonlySet<string>;
  chosen: string | null;
  onChoose: (edge: Edge) => void;
  onCut: (edge: Edge, on: boolean) => void;
  onHover: (edge: Edge | null) => void;
}): JSX.Element {
  const { edges, total, cut, chosen, onCut } = props;
  const [whole, setWhole] = useState(false);
  const columns = useMemo(() => columnsOf(onCut), [onCut]);
  const count = whole ? edges.length : Math.min(FIRST, edges.length);
  const rows = useMemo(
    () => edges.slice(0, count).map((edge): Row => ({ ...edge, isCut: cut.has(edge.label) })),
    [edges, count, cut],
  );
  const more = total - count;
  return (
    <>
      <DataTable<Row, ColumnId>
        label="edges of the circuit, strongest first"
        class="lw-circuit-table"
        columns={columns}
        rows={rows}
        keyOf={({ label }) => label}
        deps={({ score, stability, isCut }) => [score, stability, isCut]}
        attributes={({ label, isCut }) => ({
          "data-edge": label,
          "data-ablated": isCut ? "" : undefined,
        })}
        choice={{ selected: chosen, can: () => true }}
        onChoose={props.onChoose}
        onToggle={(row) => onCut(row, !row.isCut)}
        onPreview={props.onHover}
        empty="No edge leads from the embedding to the logits: make the circuit larger."
      />
      {more > 0 && (
        <p class="lw-muted">
          {more.toLocaleString("en")} more{" "}
          {count < edges.length && (
            <button
              type="button"
              class="lw-btn"
              onClick={() => flush(() => setWhole(true))}
            >{`show ${edges.length}`}</button>
          )}
        </p>
      )}
    </>
  );
}

function columnsOf(onCut: (edge: Edge, on: boolean) => void): readonly Column<Row, ColumnId>[] {
  return [
    {
      id: "cut",
      head: "",
      name: "cut",
      cell: (row) => ({
        content: (
          <Switch
            label={`cut ${row.label}`}
            checked={row.isCut}
            inTabOrder={false}
            onToggle={(on) => onCut(row, on)}
          />
        ),
      }),
    },
    {
      id: "writer",
      head: "writes",
      names: true,
      cell: ({ writer }) => ({ content: <span class="lw-mono">{writer}</span>, value: writer }),
    },
    {
      id: "reader",
      head: "reads",
      cell: ({ reader }) => ({ content: <span class="lw-mono">{reader}</span>, value: reader }),
    },
    {
      id: "score",
      head: "estimate",
      numeric: true,
      cell: ({ score }) => ({
        content: signed(score, 3),
        value: score,
        class: score < 0 ? "lw-neg" : "lw-pos",
      }),
    },
    {
      id: "stability",
      head: "same sign",
      numeric: true,
      title: "in how many resamples of the prompts the score has this sign",
      cell: ({ stability }) => ({
        content: Number.isNaN(stability) ? "–" : `${fixed(100 * stability, 0)} %`,
        value: Number.isNaN(stability) ? null : stability,
      }),
    },
  ];
}
