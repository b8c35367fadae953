import type { JSX } from "preact";
import { fixed, signed } from "../../core/draw/format";
import type { Cell, Column } from "../../core/parts/table/table";
import { Switch } from "../../core/parts/ui";
import { bar, type Scale, whisker, zeroAt } from "./layout";
import { type AttributionRow, rowChange, type SortColumn } from "./rows";

export interface ShownRow extends AttributionRow {
  ablated: boolean;
}

/** What a row's cells show: rows whose numbers and switch are the same need no new rendering. */
export function shownOf(row: ShownRow): readonly unknown[] {
  const { baseline, current, baseline_sem, current_sem, change_sem, ablatable, ablated } = row;
  return [baseline, current, baseline_sem, current_sem, change_sem, ablatable, ablated];
}

/** A part of the model: its switch, its effect as bars, and its numbers before and after. */
export function attributionColumns(props: {
  total: AttributionRow;
  count: number;
  /** How many rows the filter leaves. */
  shown: number;
  scale: Scale;
  digits: number;
  onToggle: (component: string) => void;
}): readonly Column<ShownRow, SortColumn>[] {
  const { total, count, shown, scale, digits, onToggle } = props;
  const value = (number: number | null, sem: number | null, column: string): Cell => ({
    content: (
      <>
        {fixed(number, digits)}
        {column === "current" && sem !== null && (
          <span class="lw-attr-sem"> ± {fixed(sem, digits)}</span>
        )}
      </>
    ),
    value: number,
    title: errorText(sem, digits),
    attributes: { "data-sem": sem === null ? undefined : String(sem) },
  });
  const numbers = (which: "baseline" | "current"): Column<ShownRow, SortColumn> => {
    const cell = (row: AttributionRow) => value(row[which], row[`${which}_sem`], which);
    return {
      id: which,
      head: which,
      title: "sort by size",
      numeric: true,
      cell,
      total: () => cell(total),
    };
  };
  const change = (row: AttributionRow): Cell => {
    const moved = rowChange(row);
    const text = signed(moved, digits);
    const sign = moved === null || /^[0.]+$/.test(text) ? "none" : moved > 0 ? "plus" : "minus";
    const cell = value(moved, row.change_sem, "change");
    return {
      ...cell,
      content: text,
      class: "lw-attr-change",
      attributes: { ...cell.attributes, "data-sign": sign },
    };
  };
  return [
    {
      id: "switch",
      head: "",
      name: "ablated",
      title: "sort by what is ablated",
      cell: ({ component, ablatable, ablated }) => ({
        content: ablatable && (
          <Switch
            label={`ablate ${component}`}
            checked={ablated}
            inTabOrder={false}
            onToggle={() => onToggle(component)}
          />
        ),
      }),
    },
    {
      id: "part",
      head: "part",
      title: "sort by the place in the model",
      names: true,
      cell: ({ component }) => ({ content: component, class: "lw-mono", title: component }),
      total: () => ({ content: `all ${count}`, class: "lw-num" }),
    },
    numbers("baseline"),
    {
      id: "bar",
      head: "",
      name: "signed effect",
      title: "sort by the signed effect",
      cell: (row) => ({
        content: <EffectBar baseline={row.baseline} row={row} scale={scale} />,
        class: "lw-attr-bar",
        drawn: true,
      }),
      total: () => ({
        content: shown === count ? "" : `${shown} shown`,
        class: "lw-attr-shown lw-num",
        live: true,
      }),
    },
    numbers("current"),
    {
      id: "change",
      head: "Δ",
      name: "change",
      title: "sort by the size of the change",
      numeric: true,
      cell: change,
      total: () => change(total),
    },
  ];
}

function errorText(sem: number | null, digits: number): string | undefined {
  return sem === null ? undefined : `± ${fixed(sem, digits + 1)}, standard error over prompts`;
}

/** The effect from the zero line with its standard error, and where there was one before, that. */
export function EffectBar(props: {
  row: Pick<AttributionRow, "current" | "current_sem">;
  baseline?: number | null;
  scale: Scale;
}): JSX.Element {
  const { row, baseline = null, scale } = props;
  const error = whisker(row.current, row.current_sem, scale);
  return (
    <>
      <span class="lw-attr-zero" style={{ left: `${zeroAt(scale)}%` }} />
      <Fill which="baseline" value={baseline} scale={scale} />
      <Fill which="current" value={row.current} scale={scale} />
      {error && (
        <span
          class="lw-attr-whisker"
          style={{ left: `${error.left}%`, width: `${error.width}%` }}
        />
      )}
    </>
  );
}

function Fill(props: {
  which: "baseline" | "current";
  value: number | null;
  scale: Scale;
}): JSX.Element | null {
  const { which, value, scale } = props;
  if (value === null) return null;
  const { left, width } = bar(value, scale);
  return (
    <span
      class="lw-attr-fill"
      data-which={which}
      data-negative={value < 0}
      style={{ left: `${left}%`, width: `${width}%` }}
    />
  );
}
