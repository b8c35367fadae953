import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, signed } from "../../core/format";
import { Switch } from "../../core/ui";
import type { AttributionRow } from "../../generated/protocol";
import { bar, type Scale, zeroAt } from "./layout";
import { rowChange } from "./rows";

export interface RowProps {
  row: AttributionRow;
  /** Position among all rows, header included, as a screen reader counts. */
  index: number;
  scale: Scale;
  digits: number;
  ablated: boolean;
  selected: boolean;
  previewed: boolean;
  inTabOrder: boolean;
  onToggle: (component: string) => void;
}

/** One part of the model: its switch, its effect as bars, and its numbers before and after. */
export function Row(props: RowProps): JSX.Element {
  const { row, index, scale, digits, ablated, selected, previewed, inTabOrder, onToggle } = props;
  const { component, baseline, current, ablatable } = row;
  const isHead = row.head !== null;
  return useMemo(
    () => (
      <div
        class="lw-attr-row"
        role="row"
        aria-rowindex={index}
        aria-selected={isHead ? selected : undefined}
        data-component={component}
        data-head={isHead ? component : undefined}
        data-value={isHead && current !== null ? String(current) : undefined}
        data-ablated={ablated}
        data-previewed={previewed}
        tabIndex={inTabOrder ? 0 : -1}
      >
        <span role="gridcell" tabIndex={-1}>
          {ablatable && (
            <Switch
              label={`ablate ${component}`}
              checked={ablated}
              onToggle={() => onToggle(component)}
            />
          )}
        </span>
        <span role="rowheader" tabIndex={-1} class="lw-mono" data-column="part" title={component}>
          {component}
        </span>
        <Value column="baseline" value={baseline} digits={digits} />
        <span role="gridcell" tabIndex={-1} class="lw-attr-bar" aria-hidden="true">
          <span class="lw-attr-zero" style={{ left: `${zeroAt(scale)}%` }} />
          <Fill which="baseline" value={baseline} scale={scale} />
          <Fill which="current" value={current} scale={scale} />
        </span>
        <Value column="current" value={current} digits={digits} />
        <Change value={rowChange(row)} digits={digits} />
      </div>
    ),
    // A reply makes new row objects; only those whose numbers differ are rendered again.
    [
      component,
      baseline,
      current,
      ablatable,
      isHead,
      index,
      scale.lo,
      scale.hi,
      digits,
      ablated,
      selected,
      previewed,
      inTabOrder,
    ],
  );
}

export function Value(props: {
  column: "baseline" | "current";
  value: number | null;
  digits: number;
}): JSX.Element {
  const { column, value, digits } = props;
  return (
    <span
      role="gridcell"
      tabIndex={-1}
      class="lw-num"
      data-column={column}
      data-value={value === null ? "" : String(value)}
    >
      {fixed(value, digits)}
    </span>
  );
}

export function Change({ value, digits }: { value: number | null; digits: number }): JSX.Element {
  const text = signed(value, digits);
  const sign = value === null || /^[0.]+$/.test(text) ? "none" : value > 0 ? "plus" : "minus";
  return (
    <span
      role="gridcell"
      tabIndex={-1}
      class="lw-num lw-attr-change"
      data-column="change"
      data-value={value === null ? "" : String(value)}
      data-sign={sign}
    >
      {text}
    </span>
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
