import type { ComponentChildren, JSX, TargetedKeyboardEvent } from "preact";
import { useContext, useRef, useState } from "preact/hooks";
import { flush } from "../../state/flush";
import { isHeadAblated } from "../../state/interventions";
import type { HeadRef } from "../../state/session";
import { useCachedMarkup } from "../cached_markup";
import { Live } from "../ui";
import { componentAt, type HeadPlace, headAt, moveInHeads, namesEvery } from "./places";

/** Sizes in CSS pixels. */
export interface HeadGridSize {
  /** Room for the layers' names at the left. */
  label: number;
  width: number;
  height: number;
  gap: number;
  /** The width of an MLP's cell, which stands a little apart. */
  mlp?: number;
  /** Layers of a column, where they stand in several side by side, and the space between those. */
  rows?: number;
  space?: number;
}

/** What one cell shows. */
export interface HeadLook {
  title: string;
  text?: string;
  /** As shown; NaN where there is none, undefined where none is meant. */
  value?: number | undefined;
  style?: { background: string; color: string } | undefined;
  /** A small mark in its corner. */
  mark?: string | undefined;
}

export interface HeadGridProps {
  label: string;
  layers: number;
  heads: number;
  /** Layers with a cell for their MLP, in a column of its own. */
  mlpLayers?: ReadonlySet<number>;
  size: HeadGridSize;
  /** Switches say aloud whether they are on, and a click turns them; choices are picked. */
  cells: "switch" | "choice";
  /** The same function while nothing of what it says changes. */
  look: (layer: number, column: number) => HeadLook;
  ablated: ReadonlySet<string>;
  selected: HeadRef;
  /** Added to what the selected head is called, as in "L1H4, selected, kept". */
  selectedNote?: string;
  previewed?: HeadRef | null;
  compared?: HeadRef | null;
  stale?: boolean;
  /** A click, or Enter. */
  onChoose: (place: HeadPlace, shift: boolean) => void;
  /** The space key. */
  onToggle: (component: string) => void;
  onPreview: (head: HeadRef | null) => void;
  /** A double click. */
  onOpen?: (head: HeadRef) => void;
  /** Without it Escape goes on to the view. */
  onEscape?: () => void;
  /** A picture below the cells. */
  children?: ComponentChildren;
}

const NAMES_HEIGHT = 16;
const MLP_SPACE = 12;
const NO_MLPS: ReadonlySet<number> = new Set();

/**
 * The model's own geometry: layers down, heads across. One cell takes part in the tab order; arrows,
 * Home, End, PageUp and PageDown move, Enter chooses, space switches the part off or on.
 */
export function HeadGrid(props: HeadGridProps): JSX.Element {
  const { layers, heads, mlpLayers = NO_MLPS, size, cells, selected, ablated } = props;
  const { previewed = null, compared = null } = props;
  const grid = useRef<HTMLDivElement>(null);
  const shown = useRef<HeadRef | null>(null);
  const [focused, setFocused] = useState<HeadPlace | null>(null);
  const entry = focused ?? { layer: selected.layer, column: selected.head };
  const isOff = cells === "switch" ? (place: HeadPlace) => ablated.has(nameOf(place)) : headIsOff;
  const pitch = size.width + size.gap;

  function nameOf(place: HeadPlace): string {
    return componentAt(place, heads);
  }
  function headIsOff({ layer, column }: HeadPlace): boolean {
    return isHeadAblated(ablated, layer, column);
  }
  const preview = (place: HeadPlace | null) => {
    const head = headAt(place, heads);
    if (same(shown.current, head)) return;
    shown.current = head;
    flush(() => props.onPreview(head));
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const place = placeOf(event.target);
    if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moveInHeads(event.key, place, layers, heads, mlpLayers);
    if (to) {
      flush(() => setFocused(to));
      const cell = grid.current?.querySelector(`[data-cell="${to.layer} ${to.column}"]`);
      if (cell instanceof HTMLElement) cell.focus();
    } else if (event.key === " ") flush(() => props.onToggle(nameOf(place)));
    else if (event.key === "Escape" && props.onEscape) flush(props.onEscape);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const rows = size.rows ?? layers;
  const blocks = Math.max(1, Math.ceil(layers / Math.max(1, rows)));
  const columns = `${size.label}px repeat(${heads}, ${size.width}px)`;
  const mlpColumn = mlpLayers.size > 0 ? ` ${MLP_SPACE + (size.mlp ?? size.width)}px` : "";
  const at = (layer: number, place: HeadRef | null) => (place?.layer === layer ? place.head : -1);
  return (
    <div
      ref={grid}
      class="lw-heads-grid"
      role="grid"
      aria-label={props.label}
      aria-rowcount={layers}
      aria-colcount={heads + (mlpLayers.size > 0 ? 1 : 0)}
      data-stale={props.stale}
      tabIndex={-1}
      style={{ gap: `${size.space ?? 0}px` }}
      onKeyDown={onKeyDown}
      onKeyUp={(event) => {
        // Firefox presses a button when the space key comes up, whatever was done as it went down.
        if (event.key === " " && placeOf(event.target)) event.preventDefault();
      }}
      onPointerOver={(event) => preview(placeOf(event.target))}
      onPointerLeave={() => preview(null)}
      onFocusIn={(event) => preview(placeOf(event.target))}
      onFocusOut={(event) => {
        const to = event.relatedTarget;
        if (!(to instanceof Node && event.currentTarget.contains(to))) preview(null);
      }}
      onClick={(event) => {
        const place = placeOf(event.target);
        if (!place) return;
        flush(() => {
          setFocused(place);
          props.onChoose(place, event.shiftKey);
        });
      }}
      onDblClick={(event) => {
        const head = headAt(placeOf(event.target), heads);
        if (head && !event.shiftKey && props.onOpen) flush(() => props.onOpen?.(head));
      }}
    >
      {props.children}
      {Array.from({ length: blocks }, (_, block) => block * rows).map((first) => (
        <div
          key={first}
          class="lw-heads-block"
          role="rowgroup"
          style={{
            gridTemplateColumns: `${columns}${mlpColumn}`,
            gridTemplateRows: `repeat(${rows}, ${size.height}px) ${NAMES_HEIGHT}px`,
            gap: `${size.gap}px`,
          }}
        >
          {Array.from({ length: Math.min(rows, layers - first) }, (_, i) => first + i).map(
            (layer) => (
              <HeadRow
                key={layer}
                layer={layer}
                heads={heads}
                hasMlp={mlpLayers.has(layer)}
                named={layer % Math.max(1, Math.ceil(14 / (size.height + size.gap))) === 0}
                cells={cells}
                look={props.look}
                off={offIn(layer, heads, isOff)}
                selected={at(layer, selected)}
                selectedNote={selected.layer === layer ? (props.selectedNote ?? "") : ""}
                previewed={at(layer, previewed)}
                compared={at(layer, compared)}
                entry={entry.layer === layer ? entry.column : -1}
              />
            ),
          )}
          <Names
            heads={heads}
            row={rows + 1}
            every={namesEvery(pitch, heads)}
            mlp={mlpLayers.size > 0}
          />
        </div>
      ))}
    </div>
  );
}

function placeOf(target: EventTarget | null): HeadPlace | null {
  const cell = target instanceof Element ? target.closest("[data-cell]") : null;
  const [layer, column] = (cell?.getAttribute("data-cell") ?? "").split(" ").map(Number);
  return layer === undefined || column === undefined ? null : { layer, column };
}

function same(one: HeadRef | null, other: HeadRef | null): boolean {
  return one?.layer === other?.layer && one?.head === other?.head;
}

/** The switched-off columns of a layer as one string, so that untouched rows can be told apart. */
function offIn(layer: number, heads: number, isOff: (place: HeadPlace) => boolean): string {
  const off: number[] = [];
  for (let column = 0; column <= heads; column++) if (isOff({ layer, column })) off.push(column);
  return off.join(" ");
}

interface HeadRowProps {
  layer: number;
  heads: number;
  hasMlp: boolean;
  named: boolean;
  cells: HeadGridProps["cells"];
  look: HeadGridProps["look"];
  off: string;
  selected: number;
  selectedNote: string;
  previewed: number;
  compared: number;
  entry: number;
}

/** One layer. The same props give the same elements: of 1,024 cells a click touches two rows. */
function HeadRow(props: HeadRowProps): JSX.Element {
  const { layer, heads, hasMlp, named, cells, look, off } = props;
  const { selected, selectedNote, previewed, compared, entry } = props;
  const live = useContext(Live).value;
  return useCachedMarkup(() => {
    const isOff = new Set(off.split(" "));
    const isSwitch = cells === "switch";
    const columns = Array.from({ length: heads + (hasMlp ? 1 : 0) }, (_, column) => {
      const component = componentAt({ layer, column }, heads);
      const isHead = column < heads;
      const isAblated = isOff.has(String(column));
      const { title, text, value, style, mark } = look(layer, column);
      const words = [
        column === selected && `selected${selectedNote}`,
        column === compared && "compared",
        isAblated && "ablated",
      ].filter(Boolean);
      const role = isSwitch
        ? ({ role: "switch", "aria-checked": isAblated, "aria-disabled": !live } as const)
        : ({ role: "gridcell", "aria-selected": column === selected } as const);
      const cell = (
        <button
          key={column}
          type="button"
          class="lw-head-cell"
          {...role}
          aria-label={
            isSwitch
              ? `ablate ${component}`
              : [component, text, ...words].filter(Boolean).join(", ")
          }
          title={title}
          data-cell={`${layer} ${column}`}
          data-component={isSwitch ? component : undefined}
          data-mark={mark}
          data-head={isHead ? component : undefined}
          data-value={value === undefined ? undefined : Number.isNaN(value) ? "" : String(value)}
          data-selected={column === selected || undefined}
          data-ablated={isAblated || undefined}
          data-preview={column === previewed || undefined}
          data-compared={column === compared || undefined}
          tabIndex={column === entry ? 0 : -1}
          style={style}
        >
          {text}
        </button>
      );
      if (!isSwitch) return cell;
      const place = isHead ? undefined : "lw-heads-mlp";
      return (
        <span key={column} role="gridcell" class={place} tabIndex={-1}>
          {cell}
        </span>
      );
    });
    return (
      <div role="row" class="lw-heads-row" tabIndex={-1}>
        <span
          role="rowheader"
          class="lw-heads-layer lw-muted lw-num"
          aria-label={`layer ${layer}`}
          tabIndex={-1}
        >
          {named ? `L${layer}` : ""}
        </span>
        {columns}
      </div>
    );
  }, [
    ...[layer, heads, hasMlp, named, cells, look, off, live],
    ...[selected, selectedNote, previewed, compared, entry],
  ]);
}

function Names(props: { heads: number; row: number; every: number; mlp: boolean }): JSX.Element {
  const { heads, row, every, mlp } = props;
  return useCachedMarkup(
    () => (
      <div class="lw-heads-row lw-heads-names" aria-hidden="true">
        <span class="lw-heads-corner" style={{ gridRow: row }} />
        {Array.from({ length: Math.ceil(heads / every) }, (_, i) => i * every).map((head) => (
          <span
            key={head}
            class="lw-muted lw-num"
            style={{
              gridColumn: `${head + 2} / span ${Math.min(every, heads - head)}`,
              gridRow: row,
            }}
            data-thinned={every > 1}
          >
            {`H${head}`}
          </span>
        ))}
        {mlp && (
          <span class="lw-muted lw-heads-mlp" style={{ gridColumn: heads + 2, gridRow: row }}>
            mlp
          </span>
        )}
      </div>
    ),
    [heads, row, every, mlp],
  );
}
