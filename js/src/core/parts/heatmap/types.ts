import type { Ramp } from "../../draw/canvas";
import type { Scale } from "../../draw/color";

export interface MapCell {
  row: number;
  col: number;
}

/** Why a cell has no number, or how far the number it has can be trusted. */
export type CellState = "exact" | "estimate" | "unknown" | "absent";

/** What a cell is called aloud, "L1H4 at position 3", and the attributes its DOM element carries. */
export interface CellInfo {
  name: string;
  /** What it is called in the line below a narrow map, where the name is long. */
  short?: string;
  attributes?: Readonly<Record<`data-${string}`, string | number | undefined>>;
}

/**
 * A grid of numbers. `values`, the functions and the label arrays are compared by identity: keep them
 * (useMemo, useCallback), or every rendering draws anew.
 */
export interface HeatMapProps {
  /** The grid's accessible name: "effect of patching z, layers by heads". */
  label: string;
  /** Written above, where several maps stand side by side. */
  title?: string;
  rows: readonly string[];
  cols: readonly string[];
  /** Axis titles: { rows: "layer", cols: "position" }. */
  axes?: { rows: string; cols: string };
  /** Row-major, rows x cols; NaN where there is no number. Null before the first reply. */
  values: Float32Array | null;
  /** From `useRamp`; give all maps that are compared the same one. */
  ramp: Ramp;
  units: string;
  /** Name and attributes (data-head, data-pos ...) of a cell; `data-value` is written for you. */
  cell?: (row: number, col: number) => CellInfo;
  /** What a NaN means; "unknown" while a sweep fills in. Default "absent". */
  missing?: "unknown" | "absent" | ((row: number, col: number) => "unknown" | "absent");
  /** Cells whose number is an estimate; their colour is faded. By flat index, row * cols + col. */
  estimated?: (index: number) => boolean;
  /** Cells whose component is switched off; outlined and struck through in the ablation colour. */
  ablated?: (index: number) => boolean;
  /** The values' standard errors, said behind them; NaN where there is none. */
  errors?: Float32Array | null;
  /** The value in words. Default: signed, 4 digits, for a signed scale; else 4 digits. */
  format?: (value: number) => string;
  /** The value inside a cell, where cells are large enough; null never writes. Default 2 digits. */
  cellText?: ((value: number) => string) | null;
  /** Of how many cells the value is written: those farthest from the scale's zero. Default all. */
  numbers?: number;
  /** What is written in a cell in place of its value, cut to fit, by flat index. Cells get wide for it. */
  textAt?: (index: number) => string;
  /** What colours a cell where that is not its value, on the ramp's scale. */
  colors?: Float32Array | null;
  selected?: readonly MapCell[];
  /** Outlined like the selected ones, but clicks neither add to them nor take from them. */
  marked?: readonly MapCell[];
  /** Cells worth finding, with a thin outline. */
  outlined?: readonly MapCell[];
  /** Names of as many rows and of as many columns each, as the layers of heads: lines part them. */
  groups?: { rows: readonly string[]; cols: readonly string[] };
  /** A cell that another view points at. */
  previewed?: MapCell | null;
  /** True while the numbers answer an older question; the map is dimmed a little. */
  stale?: boolean;
  /** CSS pixels the map may take in height before it scrolls. Default 460. */
  maxHeight?: number;
  /** CSS pixels of a row at most, so that maps side by side have their rows at the same height. */
  rowHeight?: number;
  /** Cells as high as wide, for position by position maps. */
  square?: boolean;
  /** The line below that says the hovered cell in words. Default true. */
  readout?: boolean;

  /**
   * Click selects, click again lets go, shift adds or removes, dragging brushes, Escape empties.
   * `clicked` is the cell that was meant, null after Escape.
   */
  onSelect?: (cells: readonly MapCell[], clicked: MapCell | null) => void;
  /** Double click or Enter. Without it, Enter selects. */
  onOpen?: (cell: MapCell) => void;
  /** The space key: what the view's switch does, as a rule ablate. Without it, space selects. */
  onToggle?: (cell: MapCell) => void;
  /** Under the mouse or the keyboard's cursor; null when there is none. */
  onHover?: (cell: MapCell | null) => void;
}

/** What is drawn. `image` has one pixel a cell; `text` is what is written in each, if anything. */
export interface MapPicture {
  image: HTMLCanvasElement | null;
  scale: Scale;
  /** Where on the scale it is, for the text's colour, and whether that is beyond the scale. */
  shade: (index: number) => number;
  beyond: (index: number) => boolean;
  state: (index: number) => CellState;
  text: ((index: number) => string) | null;
  /** Whether texts are cut to fit their cells. */
  cut: boolean;
  ablated: ((index: number) => boolean) | null;
  /** Of a map of many cells: what qualifies them, one pixel a cell. */
  veil: HTMLCanvasElement | null;
  rows: readonly string[];
  cols: readonly string[];
  axes: { rows: string; cols: string } | null;
  groups: { rows: readonly string[]; cols: readonly string[] } | null;
}

export interface MapMarks {
  selected: readonly MapCell[];
  outlined: readonly MapCell[];
  hover: MapCell | null;
  previewed: MapCell | null;
  brush: { from: MapCell; to: MapCell } | null;
}
