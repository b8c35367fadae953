import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { usePixelRatio, useSize } from "../../draw/canvas";
import { type Look, type Theme, useLook, useTheme } from "../../draw/theme";
import { flush } from "../../state/flush";
import { useCachedMarkup } from "../cached_markup";
import { lineColor, makePlot } from "./plot";
import type { LineChartProps } from "./types";
import { inWords, moveCursor, nearestSeries, valueAt } from "./words";

export type { ChartRange, ChartSeries, LineChartProps } from "./types";

/** A table of more points than this is no help to a listener; the readout still reads each one. */
const TABLE_POINTS = 200;

/**
 * Lines over named points: losses by position, logit differences by stage.
 *
 * Hover or the arrow keys move a cursor whose values stand below in words; click or Enter picks the
 * point. For screen readers the chart is a slider over its points, beside a table of its numbers,
 * whose cells carry `data-series`, `data-point` and the full `data-value`.
 */
export function LineChart(props: LineChartProps): JSX.Element {
  const { points, series, ranges, axes, picked = null, height, zero } = props;
  const box = useRef<HTMLDivElement>(null);
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { width } = useSize(box);
  const theme = useTheme();
  const look = useLook(box);
  const ratio = usePixelRatio();
  const [at, setAt] = useState<number | null>(null);
  const now = useRef(props);
  now.current = props;
  const cursor = useRef<number | null>(null);

  const hoverAt = (index: number | null) => {
    if (cursor.current === index) return;
    cursor.current = index;
    flush(() => {
      setAt(index);
      now.current.onHover?.(index);
    });
  };
  useLayoutEffect(() => {
    const element = host.current;
    if (!element || width === 0) return undefined;
    const made = makePlot(element, props, Math.floor(width), theme, look, hoverAt);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [points, series, ranges, axes.x, axes.y, picked, height, zero, width, theme, look, ratio]);

  const pick = (index: number | null, value: number) => {
    const { onPick, series: lines } = now.current;
    if (index !== null) flush(() => onPick?.(index, nearestSeries(lines, index, value)));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moveCursor(event.key, at ?? picked, points.length);
    if (to !== null) {
      const chart = plot.current;
      chart?.setCursor({ left: chart.valToPos(to, "x"), top: 0 });
      hoverAt(to);
    } else if (event.key === "Enter" || event.key === " ") {
      const index = at ?? picked;
      pick(index, index === null ? Number.NaN : valueAt(series[0]?.values ?? [], index));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const shown = at ?? picked;
  const words = shown === null ? "" : inWords(props, shown);
  return (
    <div ref={box} class="lw-chart" data-lw-chart={props.label}>
      <Keys {...props} theme={theme} look={look} />
      <div
        ref={host}
        class="lw-chart-plot"
        role="slider"
        aria-label={props.label}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, points.length - 1)}
        aria-valuenow={shown ?? 0}
        aria-valuetext={words || `${points.length} points`}
        tabIndex={0}
        style={{ height: `${height ?? 220}px` }}
        onKeyDown={onKeyDown}
        onPointerLeave={() => hoverAt(null)}
        onBlur={() => hoverAt(null)}
        onClick={() => {
          const chart = plot.current;
          if (chart) pick(cursor.current, chart.posToVal(chart.cursor.top ?? 0, "y"));
        }}
      />
      <div class="lw-chart-readout lw-num">{words || " "}</div>
      <Table {...props} />
    </div>
  );
}

function Keys(props: LineChartProps & { theme: Theme; look: Look }): JSX.Element {
  const { series, theme, look } = props;
  return (
    <div class="lw-chart-keys">
      {series.map(({ name, baseline, band }, index) => (
        <span key={name} class="lw-chart-key">
          <span
            class="lw-chart-line"
            data-baseline={baseline ?? false}
            style={{ borderColor: lineColor(props, index, theme, look) }}
          />
          {name}
          {band && <span class="lw-muted"> ± standard error</span>}
        </span>
      ))}
    </div>
  );
}

function Table(props: LineChartProps): JSX.Element {
  const { label, points, series, units, axes, pointName } = props;
  return useCachedMarkup(() => {
    const rows = points.slice(0, TABLE_POINTS);
    const more = points.length > rows.length ? `, first ${rows.length} of ${points.length}` : "";
    return (
      <table class="lw-aside">
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
          {rows.map((text, index) => (
            // A point is its place: the same token may come many times.
            <tr key={index}>
              <th scope="row">{pointName?.(index) ?? text}</th>
              {series.map(({ name, values, band }) => {
                const value = valueAt(values, index);
                const spread = band ? valueAt(band, index) : Number.NaN;
                return (
                  <td
                    key={name}
                    data-series={name}
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
    );
  }, [label, points, series, units, axes.x, pointName]);
}
