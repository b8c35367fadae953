import type { JSX } from "preact";
import type { Mode } from "../../draw/theme";
import { useCachedMarkup } from "../cached_markup";
import { bandPath, type ChartLayout, linePath } from "./layout";
import type { ChartSeries, LineChartProps } from "./types";
import { spreadAt, valueAt } from "./words";

// Okabe and Ito's colours, told apart whatever one's colour vision; lighter ones in dark mode.
const COLORS: Record<Mode, readonly string[]> = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a07800", "#3d8fc4", "#555555", "#7a4fb5"],
  dark: ["#56b4e9", "#ff8c42", "#3ddbab", "#e9a6cb", "#f0c14b", "#9fd3f5", "#b5b5b5", "#c3a5f0"],
};

/** More points than this have no marks of their own. */
const MARKED_POINTS = 100;

export function lineColor(index: number, mode: Mode): string {
  const colors = COLORS[mode];
  return colors[index % colors.length] ?? "currentColor";
}

export function seriesColor(series: ChartSeries, index: number, mode: Mode): string {
  return series.color ?? (series.baseline ? "var(--lw-muted)" : lineColor(index, mode));
}

/** The chart itself; drawn anew only when what it shows is another one. */
export function Drawing(props: {
  chart: LineChartProps;
  layout: ChartLayout;
  mode: Mode;
  at: number | null;
}): JSX.Element {
  const { chart, layout, mode, at } = props;
  const { series, ranges = [], axes, picked = null } = chart;
  const { top, floor } = layout;
  const drawn = useCachedMarkup(
    () => (
      <>
        {ranges.map(({ from, to, label }, index) => {
          const left = layout.x(from - 0.5);
          return (
            <g key={label} class="lw-chart-range" data-odd={index % 2 === 1}>
              <rect x={left} y={top} width={layout.x(to + 0.5) - left} height={floor - top} />
              <text x={left + 4} y={top + 11}>
                {label}
              </text>
            </g>
          );
        })}
        <Frame layout={layout} axes={axes} />
        {series.map((one, index) => (
          <Line
            key={one.name}
            bars={chart.bars ?? false}
            series={one}
            color={seriesColor(one, index, mode)}
            layout={layout}
            marked={layout.names.length <= MARKED_POINTS && !one.baseline}
          />
        ))}
      </>
    ),
    [series, ranges, axes.x, axes.y, layout, mode],
  );
  const upright = (index: number, name: string) => (
    <line class={name} x1={layout.x(index)} x2={layout.x(index)} y1={top} y2={floor} />
  );
  return (
    <svg width={layout.width} height={layout.height} role="presentation">
      {picked !== null && picked < layout.names.length && upright(picked, "lw-chart-picked")}
      {drawn}
      {at !== null && upright(at, "lw-chart-at")}
    </svg>
  );
}

function Frame({ layout, axes }: { layout: ChartLayout; axes: LineChartProps["axes"] }) {
  const { left, right, top, floor, ticks, every, turned, names, height } = layout;
  const middle = (top + floor) / 2;
  return (
    <g class="lw-chart-frame">
      {ticks.map((tick) => (
        <g key={tick.text}>
          <line x1={left} x2={right} y1={tick.y} y2={tick.y} data-zero={tick.value === 0} />
          <text x={left - 5} y={tick.y + 3.5} text-anchor="end">
            {tick.text}
          </text>
        </g>
      ))}
      {names.map((name, i) => {
        if (i % every !== 0) return null;
        const [x, y] = [layout.x(i), floor + 14];
        const turn = turned ? { "text-anchor": "end", transform: `rotate(-45 ${x} ${y})` } : {};
        return (
          // A point is its place: the same token may come many times.
          <text key={i} class="lw-mono" x={x} y={y} text-anchor="middle" {...turn}>
            {name}
          </text>
        );
      })}
      <text x={(left + right) / 2} y={height - 4} text-anchor="middle">
        {axes.x}
      </text>
      <text x={11} y={middle} text-anchor="middle" transform={`rotate(-90 11 ${middle})`}>
        {axes.y}
      </text>
    </g>
  );
}

function Line(props: {
  series: ChartSeries;
  color: string;
  layout: ChartLayout;
  marked: boolean;
  bars: boolean;
}): JSX.Element {
  const { series, color, layout, marked } = props;
  const { name, values, baseline } = series;
  if (props.bars) return <Bars series={series} color={color} layout={layout} />;
  const band = bandPath(series, layout);
  return (
    <g data-series={name} data-baseline={baseline ?? false} style={{ color }}>
      {band !== "" && <path class="lw-chart-band" d={band} />}
      <path class="lw-chart-line" d={linePath(values, layout)} />
      {marked &&
        layout.names.map((_, i) => {
          const value = valueAt(values, i);
          return Number.isFinite(value) ? (
            <circle key={i} cx={layout.x(i)} cy={layout.y(value)} r={2.5} />
          ) : null;
        })}
    </g>
  );
}

/** A bar a point, with a line as long as two standard errors; quiet ones are broader and lie behind. */
function Bars(props: { series: ChartSeries; color: string; layout: ChartLayout }): JSX.Element {
  const { series, color, layout } = props;
  const { name, values, baseline } = series;
  const width = Math.max(1, layout.step * (baseline ? 0.9 : 0.6));
  const zero = layout.y(0);
  return (
    <g data-series={name} data-baseline={baseline ?? false} style={{ color }}>
      {layout.names.map((_, i) => {
        const value = valueAt(values, i);
        if (!Number.isFinite(value)) return null;
        const [x, y, spread] = [layout.x(i), layout.y(value), spreadAt(series, i)];
        return (
          // A point is its place.
          <g key={i}>
            <rect
              class="lw-chart-bar"
              x={x - width / 2}
              y={Math.min(y, zero)}
              width={width}
              height={Math.max(1, Math.abs(y - zero))}
            />
            {Number.isFinite(spread) && !baseline && layout.step >= 5 && (
              <line
                class="lw-chart-error"
                x1={x}
                x2={x}
                y1={layout.y(value - spread)}
                y2={layout.y(value + spread)}
              />
            )}
          </g>
        );
      })}
    </g>
  );
}
