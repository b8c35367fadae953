import uPlot from "uplot";
import { faint, type Look, type Mode, type Theme } from "../../draw/theme";
import { everyFitting } from "../heatmap/layout";
import type { LineChartProps } from "./types";
import { extent, valueAt } from "./words";

// Okabe and Ito's colours, darker or lighter for the background; none of them means a sign.
const LINES: Record<Mode, readonly string[]> = {
  light: ["#0072b2", "#d55e00", "#009e73", "#aa4499", "#8a6d00", "#3f9bd1", "#5c6773"],
  dark: ["#56b4e9", "#f0a04b", "#3ccf9f", "#e29ac9", "#e0cd5a", "#9bb8ff", "#9aa4b0"],
};
const FONT_PX = 11;
const LONGEST = 14;

export function lineColor(props: LineChartProps, index: number, theme: Theme, look: Look): string {
  const series = props.series[index];
  if (series?.color) return series.color;
  if (series?.baseline) return look.muted;
  const colors = LINES[theme.mode];
  const before = props.series.slice(0, index).filter(({ baseline }) => !baseline).length;
  return colors[before % colors.length] ?? look.accent;
}

/** Draws the chart into `host`; the caller destroys it. */
export function makePlot(
  host: HTMLElement,
  props: LineChartProps,
  width: number,
  theme: Theme,
  look: Look,
  onCursor: (index: number | null) => void,
): uPlot {
  const { points, series, axes, height = 220, zero = true } = props;
  const count = points.length;
  const cut = (text: string) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);
  const longest = 7 * Math.max(0, ...points.map((text) => cut(text).length));
  const room = (width - 70) / Math.max(1, count);
  const rotated = longest + 6 > room && longest > 30;
  const every = everyFitting(rotated ? FONT_PX + 3 : longest + 6, room);
  const options: uPlot.Options = {
    width,
    height,
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false, setScale: false },
      points: { size: 7 },
    },
    scales: {
      x: { time: false, range: [-0.5, Math.max(0.5, count - 0.5)] },
      y: { range: extent(series, zero) },
    },
    axes: [
      {
        label: axes.x,
        labelSize: 18,
        labelFont: `${FONT_PX}px ${look.text}`,
        font: `${FONT_PX}px ${look.mono}`,
        stroke: look.muted,
        grid: { show: false },
        ticks: { show: false },
        rotate: rotated ? -90 : 0,
        size: rotated ? longest + 8 : 20,
        splits: () => points.map((_, i) => i).filter((i) => i % every === 0),
        values: (_, splits) => splits.map((at) => cut(points[at] ?? "")),
      },
      {
        label: axes.y,
        labelSize: 16,
        labelFont: `${FONT_PX}px ${look.text}`,
        font: `${FONT_PX}px ${look.text}`,
        stroke: look.muted,
        grid: { stroke: faint(theme, 0.09), width: 1 },
        ticks: { show: false },
        size: 44,
        values: (_, splits) => splits.map((value) => String(value).replace("-", "\u2212")),
      },
    ],
    series: [
      {},
      ...series.map(
        ({ name, baseline }, index): uPlot.Series => ({
          label: name,
          stroke: lineColor(props, index, theme, look),
          width: baseline ? 1.25 : 1.75,
          ...(baseline ? { dash: [4, 3] } : {}),
          points: { show: count <= 40 && !baseline, size: 4 },
        }),
      ),
    ],
    hooks: {
      drawClear: [(plot) => drawUnder(plot, props, theme, look)],
      setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)],
    },
  };
  const xs = Array.from({ length: count }, (_, index) => index);
  const lines = series.map(({ values }) =>
    xs.map((index) => {
      const value = valueAt(values, index);
      return Number.isFinite(value) ? value : null;
    }),
  );
  return new uPlot(options, [xs, ...lines], host);
}

/** Ranges, bands and the picked point, under the lines. */
function drawUnder(plot: uPlot, props: LineChartProps, theme: Theme, look: Look): void {
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio || 1;
  const x = (at: number) => plot.valToPos(at, "x", true);
  const y = (value: number) => plot.valToPos(value, "y", true);
  ctx.save();
  for (const [index, { from, to, label }] of (props.ranges ?? []).entries()) {
    // Neighbours are told apart by taking turns.
    ctx.fillStyle = faint(theme, index % 2 === 0 ? 0.05 : 0.11);
    ctx.fillRect(x(from - 0.5), bbox.top, x(to + 0.5) - x(from - 0.5), bbox.height);
    ctx.fillStyle = look.muted;
    ctx.font = `${FONT_PX * ratio}px ${look.text}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.fillText(label, x(from - 0.5) + 4 * ratio, bbox.top + 3 * ratio);
  }
  props.series.forEach(({ values, band }, index) => {
    if (!band) return;
    ctx.fillStyle = lineColor(props, index, theme, look);
    ctx.globalAlpha = 0.16;
    for (const [from, to] of stretches(values, band)) {
      ctx.beginPath();
      for (let at = from; at <= to; at++) ctx.lineTo(x(at), y(edge(values, band, at, 1)));
      for (let at = to; at >= from; at--) ctx.lineTo(x(at), y(edge(values, band, at, -1)));
      ctx.fill();
    }
    ctx.globalAlpha = 1;
  });
  const { picked } = props;
  if (picked !== null && picked !== undefined) {
    ctx.fillStyle = look.accent;
    ctx.fillRect(x(picked) - ratio, bbox.top, 2 * ratio, bbox.height);
  }
  ctx.restore();
}

function edge(
  values: ArrayLike<number | null>,
  band: ArrayLike<number | null>,
  at: number,
  side: 1 | -1,
): number {
  return valueAt(values, at) + side * (valueAt(band, at) || 0);
}

/** The runs of points that have both a value and a spread. */
function* stretches(
  values: ArrayLike<number | null>,
  band: ArrayLike<number | null>,
): Generator<[number, number]> {
  let from = -1;
  for (let at = 0; at <= values.length; at++) {
    const known = at < values.length && Number.isFinite(edge(values, band, at, 1));
    if (known && from < 0) from = at;
    if (!known && from >= 0) {
      yield [from, at - 1];
      from = -1;
    }
  }
}
