import type { JSX, TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../draw/canvas";
import { type Mode, useTheme } from "../../draw/theme";
import { flush } from "../../state/flush";
import { useCachedMarkup } from "../cached_markup";
import { chartLayout, FROM_ZERO, nearest } from "./layout";
import { Drawing, seriesColor } from "./lines";
import type { LineChartProps } from "./types";
import { hasSpread, inWords, moveCursor, nameOf, said, spreadAt, valueAt } from "./words";

export type { ChartRange, ChartSeries, LineChartProps, ValueScale } from "./types";

/** A table of more points than this is no help to a listener; the readout still reads each one. */
const TABLE_POINTS = 200;
const HEIGHT = 220;
const LEAST_WIDTH = 160;

/**
 * Lines over named points: losses by position, logits by stage.
 *
 * Hover or the arrow keys move a cursor whose values stand below; click or Enter picks the point.
 * For screen readers the chart is a slider over its points, beside a table of its numbers, whose
 * cells carry `data-series`, `data-point`, the full `data-value` and `data-error`.
 */
export function LineChart(props: LineChartProps): JSX.Element {
  const { points, series, scale = FROM_ZERO, picked = null, onPick } = props;
  const box = useRef<HTMLDivElement>(null);
  const { width } = useSize(box);
  const { mode } = useTheme();
  const [at, setAt] = useState<number | null>(null);
  const layout = useMemo(
    () => chartLayout(points, series, scale, Math.max(width, LEAST_WIDTH), HEIGHT),
    [points, series, scale, width],
  );
  const move = (to: number | null) => {
    if (to !== at) flush(() => setAt(to));
  };
  const onPointer = (event: TargetedPointerEvent<HTMLDivElement>) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    if (points.length > 0) move(nearest(x, layout));
  };
  const shown = at ?? picked;
  const known = shown !== null && shown < points.length ? shown : null;
  const pick = () => {
    if (known !== null) onPick?.(known);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moveCursor(event.key, known, points.length);
    if (to !== null) move(to);
    else if (event.key === "Enter" || event.key === " ") pick();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="lw-chart" data-lw-chart={props.label} data-stale={props.stale ?? false}>
      <div
        ref={box}
        class="lw-chart-plot"
        role="slider"
        aria-label={props.label}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, points.length - 1)}
        aria-valuenow={known ?? 0}
        aria-valuetext={known === null ? `${points.length} points` : inWords(props, known)}
        tabIndex={0}
        style={{ height: `${HEIGHT}px` }}
        onKeyDown={onKeyDown}
        onBlur={() => move(null)}
        onPointerMove={onPointer}
        onPointerLeave={() => move(null)}
        onClick={pick}
      >
        {width > 0 && <Drawing chart={props} layout={layout} mode={mode} at={at} />}
      </div>
      <Readout chart={props} at={known} mode={mode} />
      <Table {...props} />
    </div>
  );
}

/** What each line is and, at the cursor, its value. */
function Readout(props: { chart: LineChartProps; at: number | null; mode: Mode }): JSX.Element {
  const { chart, at, mode } = props;
  return (
    <div class="lw-chart-readout lw-num">
      {at !== null && <span class="lw-mono lw-muted">{nameOf(chart, at)}</span>}
      {chart.series.map((one, index) => {
        const { value, spread } = at === null ? { value: "", spread: "" } : said(chart, one, at);
        const range = at === null && hasSpread(one) ? "standard error" : spread;
        return (
          <span key={one.name} class="lw-chart-key">
            <span
              class="lw-chart-swatch"
              data-baseline={one.baseline ?? false}
              style={{ borderColor: seriesColor(one, index, mode) }}
            />
            <span class="lw-mono lw-token-text">{one.name}</span>
            {value !== "" && <b>{value}</b>}
            {range !== "" && <span class="lw-muted">± {range}</span>}
          </span>
        );
      })}
      <span class="lw-muted">{chart.units}</span>
    </div>
  );
}

function Table(props: LineChartProps): JSX.Element {
  const { label, points, series, units, axes, pointName } = props;
  return useCachedMarkup(() => {
    const rows = points.slice(0, TABLE_POINTS);
    const more = points.length > rows.length ? `, first ${rows.length} of ${points.length}` : "";
    return (
      // A table is as tall as its rows whatever its style says: it must not make the page longer.
      <div class="lw-aside">
        <table>
          <caption>{`${label}, ${units}${more}`}</caption>
          <thead>
            <tr>
              <th scope="col">{axes.x}</th>
              {series.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((_, index) => (
              // A point is its place: the same token may come many times.
              <tr key={index}>
                <th scope="row">{nameOf(props, index)}</th>
                {series.map((one) => {
                  const value = valueAt(one.values, index);
                  const spread = spreadAt(one, index);
                  return (
                    <td
                      key={one.name}
                      data-series={one.name}
                      data-point={index}
                      data-value={Number.isNaN(value) ? "" : String(value)}
                      data-error={Number.isNaN(spread) ? undefined : String(spread)}
                    >
                      {Number.isNaN(value) ? "–" : String(value)}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  }, [label, points, series, units, axes.x, pointName]);
}
