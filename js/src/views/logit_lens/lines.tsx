import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { signed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { type ChartSeries, LineChart } from "../../core/parts/chart/chart";
import { lineColor } from "../../core/parts/chart/lines";
import type { Dataset } from "../../core/state/dataset";
import type * as ask from "../../generated/logit_lens";
import { type LensShow, placeOf, stageName } from "./data";

const format = (value: number) => signed(value, 3);

/** The metric's logits as they build up over the stages, and what each part adds to them. */
export function Lines(props: {
  data: Dataset<ask.Lines> | null;
  stale: boolean;
  show: LensShow;
  changed: boolean;
  stage: string | null;
  onPick: (stage: string) => void;
}): JSX.Element | null {
  const { data, stale, show, changed, stage, onPick } = props;
  const { mode } = useTheme();
  const series = useMemo(
    () =>
      data && {
        accumulated: curves(data, "accumulated", "stage", show, changed, mode),
        parts: curves(data, "contribution", "component", show, changed, mode),
      },
    [data, show, changed, mode],
  );
  const stages = useMemo(() => data?.texts("stage") ?? [], [data]);
  const names = useMemo(() => stages.map(stageName), [stages]);
  if (!data || !series) return null;
  const { units } = data.attrs;
  const shared = { format, units, stale };
  return (
    <>
      <section class="lw-lens-part">
        <header class="lw-lens-head">
          <h4 title={data.attrs.definition}>Accumulated residual stream</h4>
        </header>
        <LineChart
          label="logits read from the accumulated residual stream, by stage"
          points={names}
          axes={{ x: "stage", y: units }}
          series={series.accumulated}
          picked={placeOf(stage, stages)}
          onPick={(i) => onPick(stages[i] ?? "")}
          {...shared}
        />
      </section>
      <section class="lw-lens-part">
        <header class="lw-lens-head">
          <h4 title={data.attrs.definition}>What each part adds</h4>
        </header>
        <LineChart
          label="logits that each part adds"
          points={data.texts("component")}
          bars
          axes={{ x: "component", y: units }}
          series={series.parts}
          {...shared}
        />
      </section>
    </>
  );
}

function curves(
  data: Dataset<ask.Lines>,
  name: "accumulated" | "contribution",
  dim: "stage" | "component",
  show: LensShow,
  changed: boolean,
  mode: "light" | "dark",
): ChartSeries[] {
  const size = data.dims[dim] ?? 0;
  const read = (which: LensShow, baseline = false): ChartSeries => {
    const at = data.texts("show").indexOf(which) * size;
    return {
      name: which,
      values: data.numbers(name).subarray(at, at + size),
      band: data.numbers(`${name}_sem`).subarray(at, at + size),
      ...(baseline ? { baseline } : { color: lineColor(0, mode) }),
    };
  };
  if (show !== "current") return [read(show)];
  return changed ? [read("baseline", true), read("current")] : [read("current")];
}
