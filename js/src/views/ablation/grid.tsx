import type { JSX, TargetedKeyboardEvent } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { type Palette, palette } from "../../core/draw/color";
import { fixed, headLabel } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { useStill } from "../../core/parts/still";
import { at, type NumArray } from "../../core/state/arrays";
import { flush } from "../../core/state/flush";
import type { HeadRef } from "../../core/state/session";
import { cellText, share } from "./format";
import {
  type CellRef,
  componentAt,
  type GridSize,
  gridSize,
  isCellKey,
  labelEvery,
  moveCell,
} from "./layout";

export interface GridProps {
  layers: number;
  heads: number;
  mlpLayers: readonly number[];
  /** [layer, head] and [layer]; null before the first reply. */
  headValues: NumArray | null;
  mlpValues: NumArray | null;
  scale: number;
  units: string;
  stale: boolean;
  ablated: ReadonlySet<string>;
  selected: HeadRef;
  onToggle: (component: string) => void;
  onPreview: (head: HeadRef | null) => void;
  onSelect: (head: HeadRef) => void;
  onClear: () => void;
}

/** The model's own geometry, layers down and heads across, each cell a switch with its value. */
export function Grid(props: GridProps): JSX.Element {
  const { layers, heads, mlpLayers, ablated, selected } = props;
  const room = useRef<HTMLDivElement>(null);
  const { width } = useSize(room);
  const mlps = useMemo(() => new Set(mlpLayers), [mlpLayers]);
  const [cursor, setCursor] = useState<CellRef>({ layer: 0, column: 0 });
  const size = gridSize(width, layers, heads, mlps.size > 0);
  const every = labelEvery(size.cellWidth, size.gap, heads);
  const colors = palette(useTheme());

  const cellOf = (target: EventTarget | null): CellRef | null => {
    const cell = target instanceof Element ? target.closest("[data-cell]") : null;
    const [layer, column] = (cell?.getAttribute("data-cell") ?? "").split(" ").map(Number);
    return layer === undefined || column === undefined ? null : { layer, column };
  };
  const headOf = (cell: CellRef | null): HeadRef | null =>
    cell && cell.column < heads ? { layer: cell.layer, head: cell.column } : null;

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const cell = cellOf(event.target);
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") props.onClear();
    else if (isCellKey(event.key)) {
      const to = moveCell(cell, event.key, layers, heads, mlps);
      const next = room.current?.querySelector(`[data-cell="${to.layer} ${to.column}"]`);
      if (next instanceof HTMLElement) next.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const style = {
    "--lw-abl-cell": `${size.cellWidth}px`,
    "--lw-abl-height": `${size.cellHeight}px`,
    "--lw-abl-mlp": `${size.mlpWidth}px`,
    "--lw-abl-gap": `${size.gap}px`,
  };
  return (
    <div ref={room} class="lw-abl-room">
      <div class="lw-abl-scroll">
        <div
          class="lw-abl-grid"
          role="grid"
          aria-label="ablation switches, layers by heads"
          data-stale={props.stale}
          style={style}
          tabIndex={-1}
          onKeyDown={onKeyDown}
          onPointerOver={(event) => props.onPreview(headOf(cellOf(event.target)))}
          onPointerLeave={() => props.onPreview(null)}
          onFocusIn={(event) => {
            const cell = cellOf(event.target);
            if (cell) setCursor(cell);
            props.onPreview(headOf(cell));
          }}
          onFocusOut={() => props.onPreview(null)}
          onClick={(event) => {
            const cell = cellOf(event.target);
            if (!cell) return;
            const head = headOf(cell);
            flush(() => {
              if (event.shiftKey && head) props.onSelect(head);
              else props.onToggle(componentAt(cell, heads));
            });
          }}
        >
          {Array.from({ length: layers }, (_, layer) => (
            <GridRow
              key={layer}
              layer={layer}
              heads={heads}
              hasMlp={mlps.has(layer)}
              headValues={props.headValues}
              mlpValues={props.mlpValues}
              scale={props.scale}
              units={props.units}
              size={size}
              colors={colors}
              off={offInLayer(ablated, layer, heads)}
              selected={selected.layer === layer ? selected.head : -1}
              cursor={cursor.layer === layer ? cursor.column : -1}
            />
          ))}
          <div class="lw-abl-row lw-abl-foot" aria-hidden="true">
            <span class="lw-abl-label" />
            {Array.from({ length: heads }, (_, head) => (
              <span key={head} class="lw-abl-head-label">
                {head % every === 0 ? `H${head}` : ""}
              </span>
            ))}
            {mlps.size > 0 && <span class="lw-abl-mlp-slot lw-abl-head-label">mlp</span>}
          </div>
        </div>
      </div>
    </div>
  );
}

/** The switched-off columns of a layer as one string, so that untouched rows can be told apart. */
function offInLayer(ablated: ReadonlySet<string>, layer: number, heads: number): string {
  const off: number[] = [];
  for (let column = 0; column <= heads; column += 1) {
    if (ablated.has(componentAt({ layer, column }, heads))) off.push(column);
  }
  return off.join(" ");
}

interface GridRowProps {
  layer: number;
  heads: number;
  hasMlp: boolean;
  headValues: NumArray | null;
  mlpValues: NumArray | null;
  scale: number;
  units: string;
  size: GridSize;
  colors: Palette;
  off: string;
  selected: number;
  cursor: number;
}

function GridRow(props: GridRowProps): JSX.Element {
  const { layer, heads, hasMlp, headValues, mlpValues, scale, units, size, colors } = props;
  const { off, selected, cursor } = props;
  const { printHeads, printMlps } = size;
  // A model may have a thousand cells; a click changes one row, a reply all of them.
  return useStill(() => {
    const isOff = new Set(off.split(" "));
    const cell = (column: number, value: number, printed: boolean) => (
      <Cell
        layer={layer}
        column={column}
        component={componentAt({ layer, column }, heads)}
        isHead={column < heads}
        value={value}
        text={printed ? cellText(value, scale) : ""}
        shade={share(value, scale)}
        units={units}
        colors={colors}
        ablated={isOff.has(String(column))}
        selected={selected === column}
        inTabOrder={cursor === column}
      />
    );
    return (
      <div class="lw-abl-row" role="row" tabIndex={-1}>
        <span class="lw-abl-label" aria-hidden="true">
          L{layer}
        </span>
        {Array.from({ length: heads }, (_, head) => (
          <span key={head} role="gridcell" tabIndex={-1}>
            {cell(head, headValues ? at(headValues, layer, head) : Number.NaN, printHeads)}
          </span>
        ))}
        {hasMlp && (
          <span role="gridcell" tabIndex={-1} class="lw-abl-mlp-slot">
            {cell(heads, mlpValues ? at(mlpValues, layer) : Number.NaN, printMlps)}
          </span>
        )}
      </div>
    );
  }, [
    layer,
    heads,
    hasMlp,
    headValues,
    mlpValues,
    scale,
    units,
    printHeads,
    printMlps,
    colors,
    off,
    selected,
    cursor,
  ]);
}

function Cell(props: {
  layer: number;
  column: number;
  component: string;
  isHead: boolean;
  value: number;
  text: string;
  shade: number;
  units: string;
  colors: Palette;
  ablated: boolean;
  selected: boolean;
  inTabOrder: boolean;
}): JSX.Element {
  const { layer, column, component, isHead, value, text, shade, units, colors } = props;
  const { ablated, selected, inTabOrder } = props;
  const known = Number.isFinite(value);
  return (
    <button
      type="button"
      class="lw-abl-cell"
      role="switch"
      aria-checked={ablated}
      aria-label={`ablate ${component}`}
      title={known ? `${component}: ${fixed(value, 4)} ${units}` : component}
      data-cell={`${layer} ${column}`}
      data-component={component}
      data-head={isHead ? headLabel(layer, column) : undefined}
      data-value={known ? String(value) : ""}
      data-selected={selected}
      tabIndex={inTabOrder ? 0 : -1}
      style={
        known
          ? { background: colors.diverging.css(shade), color: colors.diverging.ink(shade) }
          : undefined
      }
    >
      {text}
    </button>
  );
}
