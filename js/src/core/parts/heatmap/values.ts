import { useCallback, useMemo, useRef } from "preact/hooks";
import { shadeOf } from "../../draw/canvas";
import { fixed, signed } from "../../draw/format";
import type { CellLook } from "./cells";
import { DENSE_CELLS, FONT_PX } from "./layout";
import { includes } from "./select";
import { strongestCells } from "./strongest";
import type { CellState, HeatMapProps, MapCell } from "./types";

const NONE: readonly MapCell[] = [];

/** What the element of a cell says and carries; a new function when any of it may have changed. */
export function useCells(props: HeatMapProps): (row: number, col: number) => CellLook {
  const { rows, cols, values, ramp, units, cell, missing, estimated, ablated, format } = props;
  const { errors } = props;
  const { selected = NONE } = props;
  const base = useCallback(
    (row: number, col: number) => {
      const index = row * cols.length + col;
      const value = values?.[index] ?? Number.NaN;
      const state = stateOf(props, index);
      const off = ablated?.(index) ?? false;
      const info = cell?.(row, col) ?? { name: `${rows[row]}, ${cols[col]}` };
      const write = format ?? (ramp.scale.signed ? inSigned : inFixed);
      const error = errors?.[index] ?? Number.NaN;
      const number = `${write(value)}${Number.isNaN(error) ? "" : ` ± ${(format ?? inFixed)(error).replace("+", "")}`}`;
      const known = state === "unknown" ? "not known yet" : state === "absent" ? "no value" : "";
      const said = (name: string, unit: string) =>
        [
          `${name}: ${known || `${number} ${unit}`.trim()}`,
          state === "estimate" && "estimate",
          off && "ablated",
        ]
          .filter(Boolean)
          .join(", ");
      const words = said(info.name, units);
      const line = info.short === undefined ? words : said(info.short, "");
      return { ...info, words, line, value, state, ablated: off };
    },
    [
      rows,
      cols,
      values,
      ramp.scale.signed,
      units,
      cell,
      missing,
      estimated,
      ablated,
      format,
      errors,
    ],
  );
  // The selection is left out of the dependencies: rows are told theirs one by one.
  const chosen = useRef(selected);
  chosen.current = selected;
  return useCallback(
    (row, col) => ({ ...base(row, col), selected: includes(chosen.current, { row, col }) }),
    [base],
  );
}

const inSigned = (value: number) => signed(value, 4);
const inFixed = (value: number) => fixed(value, 4);

export function stateOf(props: HeatMapProps, index: number): CellState {
  const { values, missing = "absent", estimated, cols } = props;
  if (!values) return "unknown";
  if (!Number.isNaN(values[index] ?? Number.NaN)) return estimated?.(index) ? "estimate" : "exact";
  if (typeof missing === "string") return missing;
  return missing(Math.floor(index / cols.length), index % cols.length);
}

/** Writes values into cells when the longest of them fits, by flat index; null when not. */
export function useCellText(props: HeatMapProps, width: number, height: number, font: string) {
  const { values, ramp, cellText, numbers } = props;
  const signedScale = ramp.scale.signed;
  return useMemo(() => {
    if (cellText === null || !values || values.length > DENSE_CELLS || height < FONT_PX + 3) {
      return null;
    }
    const write = cellText ?? ((value: number) => (signedScale ? signed(value) : fixed(value)));
    const shown =
      numbers === undefined
        ? null
        : strongestCells(values, numbers, (value) => shadeOf(value, ramp));
    const text = (index: number) => {
      const value = values[index] ?? Number.NaN;
      return Number.isNaN(value) || shown?.has(index) === false ? "" : write(value);
    };
    const texts = Array.from(values, (_, index) => text(index));
    return widest(texts, font) + 4 <= width ? text : null;
  }, [values, cellText, numbers, signedScale, ramp, width, height, font]);
}

/** The widest text in pixels of the maps' font. */
export function widest(texts: readonly string[], font: string): number {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return 40;
  context.font = `${FONT_PX}px ${font}`;
  // Of many texts only the longest are measured.
  const longest = Math.max(0, ...texts.map((text) => text.length));
  const candidates = new Set(texts.filter((text) => text.length >= longest - 2));
  let width = 0;
  for (const text of candidates) width = Math.max(width, context.measureText(text).width);
  return width;
}
