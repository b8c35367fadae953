import type { JSX } from "preact";
import { fixed, signed } from "../../core/draw/format";
import { useStill } from "../../core/parts/still";
import { Switch } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { AttributionRow } from "../../generated/protocol";
import { bar, type Scale, whisker, zeroAt } from "./layout";
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
  /** Null where the row has nothing to open. */
  open: boolean | null;
  onToggle: (component: string) => void;
  onOpen: (component: string) => void;
}

/** One part of the model: its switch, its effect as bars, and its numbers before and after. */
export function Row(props: RowProps): JSX.Element {
  const { row, index, scale, digits, ablated, selected, previewed, inTabOrder } = props;
  const { open, onToggle, onOpen } = props;
  const { component, baseline, current, baseline_sem, current_sem, change_sem, ablatable } = row;
  const isHead = row.head !== null;
  return useStill(
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
          {open === null ? (
            component
          ) : (
            <button
              type="button"
              class="lw-attr-open"
              tabIndex={-1}
              aria-expanded={open}
              aria-label={`what ${component} is made of`}
              // The click goes on to the row: what is opened is selected too.
              onClick={() => flush(() => onOpen(component))}
            >
              {component}
              <span class="lw-attr-caret" aria-hidden="true">
                {open ? "▾" : "▸"}
              </span>
            </button>
          )}
        </span>
        <Value column="baseline" value={baseline} sem={baseline_sem} digits={digits} />
        <span role="gridcell" tabIndex={-1} class="lw-attr-bar" aria-hidden="true">
          <span class="lw-attr-zero" style={{ left: `${zeroAt(scale)}%` }} />
          <Fill which="baseline" value={baseline} scale={scale} />
          <Fill which="current" value={current} scale={scale} />
          <Whisker value={current} sem={current_sem} scale={scale} />
        </span>
        <Value column="current" value={current} sem={current_sem} digits={digits} />
        <Change value={rowChange(row)} sem={change_sem} digits={digits} />
      </div>
    ),
    // A reply makes new row objects; only those whose numbers differ are rendered again.
    [
      component,
      baseline,
      current,
      baseline_sem,
      current_sem,
      change_sem,
      ablatable,
      open,
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
  sem: number | null;
  digits: number;
}): JSX.Element {
  const { column, value, sem, digits } = props;
  return (
    <span
      role="gridcell"
      tabIndex={-1}
      class="lw-num"
      data-column={column}
      data-value={value === null ? "" : String(value)}
      data-sem={sem === null ? undefined : String(sem)}
      title={errorText(sem, digits)}
    >
      {fixed(value, digits)}
      {column === "current" && sem !== null && (
        <span class="lw-attr-sem"> ± {fixed(sem, digits)}</span>
      )}
    </span>
  );
}

function errorText(sem: number | null, digits: number): string | undefined {
  return sem === null ? undefined : `± ${fixed(sem, digits + 1)}, standard error over prompts`;
}

export function Change(props: {
  value: number | null;
  sem: number | null;
  digits: number;
}): JSX.Element {
  const { value, sem, digits } = props;
  const text = signed(value, digits);
  const sign = value === null || /^[0.]+$/.test(text) ? "none" : value > 0 ? "plus" : "minus";
  return (
    <span
      role="gridcell"
      tabIndex={-1}
      class="lw-num lw-attr-change"
      data-column="change"
      data-value={value === null ? "" : String(value)}
      data-sem={sem === null ? undefined : String(sem)}
      data-sign={sign}
      title={errorText(sem, digits)}
    >
      {text}
    </span>
  );
}

function Whisker(props: {
  value: number | null;
  sem: number | null;
  scale: Scale;
}): JSX.Element | null {
  const at = whisker(props.value, props.sem, props.scale);
  return (
    at && <span class="lw-attr-whisker" style={{ left: `${at.left}%`, width: `${at.width}%` }} />
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
