import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { signed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import type { Dataset } from "../../core/state/dataset";
import type * as ask from "../../generated/logit_lens";
import { Chart, type Series } from "./chart";
import type { Axis } from "./chart_layout";
import type { LensShow } from "./data";
import { colorOf } from "./paths";

const AXIS: Axis = { to: (value) => value, includes: [0] };

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
  if (!data || !series) return null;
  const shared = {
    axis: AXIS,
    format: (value: number) => signed(value, 3),
    units: data.attrs.units,
    stale,
  };
  return (
    <>
      <section class="lw-lens-part">
        <header class="lw-lens-head">
          <h4 title={data.attrs.definition}>Accumulated residual stream</h4>
        </header>
        <Chart
          label="logits read from the accumulated residual stream, by stage"
          names={data.texts("stage")}
          series={series.accumulated}
          selected={stage}
          onPick={onPick}
          {...shared}
        />
      </section>
      <section class="lw-lens-part">
        <header class="lw-lens-head">
          <h4 title={data.attrs.definition}>What each part adds</h4>
        </header>
        <Chart
          label="logits that each part adds"
          names={data.texts("component")}
          series={series.parts}
          selected={null}
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
): Series[] {
  const size = data.dims[dim] ?? 0;
  const read = (which: LensShow, faint = false): Series => {
    const at = data.texts("show").indexOf(which) * size;
    return {
      name: which,
      values: data.numbers(name).subarray(at, at + size),
      errors: data.numbers(`${name}_sem`).subarray(at, at + size),
      color: faint ? "var(--lw-muted)" : colorOf(0, mode),
      faint,
    };
  };
  if (show !== "current") return [read(show)];
  return changed ? [read("baseline", true), read("current")] : [read("current")];
}
