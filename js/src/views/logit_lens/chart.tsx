import type { JSX, TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { useTheme } from "../../core/draw/theme";
import { flush } from "../../core/state/flush";
import { type Axis, type ChartLayout, chartLayout, nearest } from "./chart_layout";

export interface Series {
  name: string;
  values: ArrayLike<number>;
  /** Standard errors, drawn as a band; NaN draws none. */
  errors?: ArrayLike<number>;
  color: string;
  /** The baseline, behind what is now. */
  faint?: boolean;
}

export interface ChartProps {
  label: string;
  names: readonly string[];
  series: readonly Series[];
  axis: Axis;
  format: (value: number) => string;
  units: string;
  stale: boolean;
  /** The name that another part of the view has in focus. */
  selected: string | null;
  onPick?: (name: string) => void;
}

const HEIGHT = 218;

/** Values by stage as lines, with their standard errors. Arrow keys move along the names. */
export function Chart(props: ChartProps): JSX.Element {
  const { label, names, series, axis, format, units, onPick } = props;
  const box = useRef<HTMLDivElement>(null);
  const { width } = useSize(box);
  const [hovered, setHovered] = useState<number | null>(null);
  const layout = chartLayout(names, series, axis, Math.max(width, 120), HEIGHT);
  const at = hovered ?? Math.max(0, props.selected ? names.indexOf(props.selected) : -1);
  const point = (event: TargetedPointerEvent<HTMLDivElement>) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    const next = nearest(x, layout, names.length);
    if (next !== hovered) flush(() => setHovered(next));
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const ends = { Home: 0, End: names.length - 1 }[event.key];
    const to = ends ?? (step === undefined ? null : at + step);
    const name = names[at];
    if (to !== null) flush(() => setHovered(Math.max(0, Math.min(names.length - 1, to))));
    else if (event.key === "Enter" && name !== undefined && onPick) onPick(name);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="lw-lens-chart" data-stale={props.stale}>
      <div
        ref={box}
        class="lw-lens-plot"
        role="group"
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys read the lines point by point.
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={() => setHovered(null)}
        onPointerMove={point}
        onPointerLeave={() => flush(() => setHovered(null))}
        onClick={() => {
          const name = names[at];
          if (name !== undefined) onPick?.(name);
        }}
      >
        {width > 0 && (
          <svg width={layout.width} height={HEIGHT} role="presentation">
            <Frame names={names} layout={layout} at={hovered} />
            {series.map((one) => (
              <Line key={one.name} series={one} names={names} layout={layout} axis={axis} />
            ))}
          </svg>
        )}
      </div>
      <div class="lw-lens-key lw-num" aria-live="polite">
        <span class="lw-mono lw-muted">{names[at] ?? ""}</span>
        {series.map((one) => (
          <Key key={one.name} series={one} at={at} format={format} />
        ))}
        <span class="lw-muted">{units}</span>
      </div>
    </div>
  );
}

function Frame(props: {
  names: readonly string[];
  layout: ChartLayout;
  at: number | null;
}): JSX.Element {
  const { names, layout, at } = props;
  const { left, right, top, floor, ticks, every } = layout;
  return (
    <g class="lw-lens-frame">
      {ticks.map((tick) => (
        <g key={tick.text}>
          <line x1={left} x2={right} y1={tick.y} y2={tick.y} data-zero={tick.value === 0} />
          <text x={left - 5} y={tick.y + 3.5} text-anchor="end">
            {tick.text}
          </text>
        </g>
      ))}
      {at !== null && (
        <line class="lw-lens-at" x1={layout.x(at)} x2={layout.x(at)} y1={top} y2={floor} />
      )}
      {names.map((name, i) =>
        i % every === 0 ? (
          <text
            key={name}
            x={layout.x(i)}
            y={floor + 8}
            text-anchor="end"
            transform={`rotate(-45 ${layout.x(i)} ${floor + 8})`}
          >
            {name}
          </text>
        ) : null,
      )}
    </g>
  );
}

function Line(props: {
  series: Series;
  names: readonly string[];
  layout: ChartLayout;
  axis: Axis;
}): JSX.Element {
  const { series, names, layout, axis } = props;
  const { values, errors, color, faint } = series;
  const known = names.flatMap((_, i) => (Number.isFinite(values[i]) ? [i] : []));
  const y = (value: number) => layout.y(axis.to(value));
  const points = known.map((i) => `${layout.x(i)},${y(values[i] ?? 0)}`);
  const spread = known.filter((i) => Number.isFinite(errors?.[i] ?? Number.NaN));
  const edge = (i: number, side: number) =>
    `${layout.x(i)},${y((values[i] ?? 0) + side * (errors?.[i] ?? 0))}`;
  return (
    <g data-series={series.name} style={{ color }} class={faint ? "lw-lens-faint" : ""}>
      {spread.length > 0 && (
        <polygon
          class="lw-lens-band"
          points={[
            ...spread.map((i) => edge(i, 1)),
            ...[...spread].reverse().map((i) => edge(i, -1)),
          ].join(" ")}
        />
      )}
      <polyline points={points.join(" ")} />
      {known.map((i) => (
        <circle
          key={names[i]}
          cx={layout.x(i)}
          cy={y(values[i] ?? 0)}
          r={faint ? 1.5 : 2.5}
          data-name={names[i]}
          data-value={String(values[i])}
          data-error={Number.isFinite(errors?.[i] ?? Number.NaN) ? String(errors?.[i]) : ""}
        />
      ))}
    </g>
  );
}

function Key(props: {
  series: Series;
  at: number;
  format: (value: number) => string;
}): JSX.Element {
  const { series, at, format } = props;
  const theme = useTheme();
  const error = series.errors?.[at] ?? Number.NaN;
  return (
    <span class="lw-lens-entry" data-mode={theme.mode}>
      <span
        class="lw-lens-swatch"
        data-faint={series.faint ?? false}
        style={{ background: series.color }}
      />
      <span class="lw-mono lw-token-text">{series.name}</span>
      <b>{format(series.values[at] ?? Number.NaN)}</b>
      {Number.isFinite(error) && <span class="lw-muted">± {format(error).replace("+", "")}</span>}
    </span>
  );
}
