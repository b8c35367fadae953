import type { JSX } from "preact";
import { useCallback, useContext, useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { palette } from "../../core/draw/color";
import { headLabel, signed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { Columns } from "../../core/parts/columns";
import { HeadGrid } from "../../core/parts/heads/grid";
import { componentAt, headAt } from "../../core/parts/heads/places";
import { at, type NumArray } from "../../core/state/arrays";
import { flush } from "../../core/state/flush";
import type { HeadRef } from "../../core/state/session";
import { cellText, share } from "./format";
import { fitsCell, gridSize } from "./layout";
import { strongestParts, valueOfPart } from "./parts";

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
  previewed: HeadRef | null;
  onToggle: (component: string) => void;
  onPreview: (head: HeadRef | null) => void;
  onSelect: (head: HeadRef) => void;
  onClear: () => void;
}

/** Every head and MLP as a switch with its value. */
export function Grid(props: GridProps): JSX.Element {
  const { layers, heads, mlpLayers, headValues, mlpValues, scale, units, onToggle } = props;
  const room = useRef<HTMLDivElement>(null);
  const { width } = useSize(room);
  const mlps = useMemo(() => new Set(mlpLayers), [mlpLayers]);
  const columns = useContext(Columns);
  // Where no other map has all heads it is the way to them; their switches stand beside their names.
  const isWay = columns?.heads === "layer";
  const { cellWidth, cellHeight, mlpWidth, gap, height } = gridSize(
    width,
    layers,
    heads,
    mlps.size > 0,
    columns ? { tallest: columns.effects, narrowest: 4, lowest: 10 } : undefined,
  );
  const [pointed, setPointed] = useState("");
  const printed = useMemo(
    () => strongestParts(headValues, mlpValues, scale),
    [headValues, mlpValues, scale],
  );
  const { diverging } = palette(useTheme());
  const look = useCallback(
    (layer: number, column: number) => {
      const isHead = column < heads;
      const values = isHead ? headValues : mlpValues;
      const value = values ? at(values, layer, ...(isHead ? [column] : [])) : Number.NaN;
      const component = componentAt({ layer, column }, heads);
      if (!Number.isFinite(value)) return { title: component, value: Number.NaN };
      const shade = share(value, scale);
      const text = printed.has(component) ? cellText(value, scale) : "";
      return {
        title: component,
        text: fitsCell(text, isHead ? cellWidth : mlpWidth) ? text : "",
        value,
        style: { background: diverging.css(shade), color: diverging.ink(shade) },
      };
    },
    [heads, headValues, mlpValues, scale, printed, cellWidth, mlpWidth, diverging],
  );
  const point = (event: Event) => {
    const cell = event.target instanceof Element ? event.target.closest("[data-cell]") : null;
    const [layer, column] = (cell?.getAttribute("data-cell") ?? "").split(" ").map(Number);
    const on = layer !== undefined && column !== undefined;
    const found = on ? componentAt({ layer, column }, heads) : "";
    if (found !== pointed) flush(() => setPointed(found));
  };
  const said = pointed || headLabel(props.selected.layer, props.selected.head);
  return (
    <div ref={room} class="lw-abl-room">
      <div
        class="lw-abl-scroll"
        style={{ minHeight: `${height}px` }}
        onPointerOver={point}
        onPointerLeave={point}
        onFocusIn={point}
      >
        <HeadGrid
          label="ablation switches, layers by heads"
          cells={isWay ? "choice" : "switch"}
          {...{ layers, heads, look }}
          mlpLayers={mlps}
          size={{ label: 30, width: cellWidth, height: cellHeight, gap, mlp: mlpWidth }}
          ablated={props.ablated}
          selected={props.selected}
          previewed={props.previewed}
          stale={props.stale}
          onChoose={(place, shift) => {
            const head = headAt(place, heads);
            if (head && (shift || isWay)) props.onSelect(head);
            else onToggle(componentAt(place, heads));
          }}
          onToggle={onToggle}
          onPreview={props.onPreview}
          onEscape={props.onClear}
        />
      </div>
      <p class="lw-abl-readout lw-num">
        <span class="lw-mono">{said}</span> {signed(valueOfPart(said, headValues, mlpValues), 4)}{" "}
        {units}
        {props.ablated.has(said) && ", ablated"}
      </p>
    </div>
  );
}
