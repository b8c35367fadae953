import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { signed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { decode } from "../../core/state/arrays";
import type { Resource } from "../../core/state/resource";
import type { Curve, Methods, Options } from "../../generated/protocol";
import { Chart, type Series } from "./chart";
import type { Axis } from "./chart_layout";
import { colorOf } from "./paths";

const AXIS: Axis = { to: (value) => value, includes: [0] };

/** The metric's logits as they build up over the stages, and what each part adds to them. */
export function Lines(props: {
  loaded: Resource<Methods["lens_lines"]>;
  show: Options["show"];
  changed: boolean;
  stage: string | null;
  onPick: (stage: string) => void;
}): JSX.Element | null {
  const { loaded, show, changed, stage, onPick } = props;
  const { result, buffers } = loaded;
  const { mode } = useTheme();
  const series = useMemo(
    () =>
      result && {
        accumulated: curveSeries(result.accumulated, buffers, show, changed, mode),
        parts: curveSeries(result.parts, buffers, show, changed, mode),
      },
    [result, buffers, show, changed, mode],
  );
  if (!result || !series) return null;
  const shared = {
    axis: AXIS,
    format: (value: number) => signed(value, 3),
    units: result.units,
    stale: loaded.stale,
  };
  return (
    <>
      <section class="lw-lens-part">
        <header class="lw-lens-head">
          <h4 title={result.definition}>Accumulated residual stream</h4>
        </header>
        <Chart
          label="logits read from the accumulated residual stream, by stage"
          names={result.accumulated.names}
          series={series.accumulated}
          selected={stage}
          onPick={onPick}
          {...shared}
        />
      </section>
      <section class="lw-lens-part">
        <header class="lw-lens-head">
          <h4 title={result.definition}>What each part adds</h4>
        </header>
        <Chart
          label="logits that each part adds"
          names={result.parts.names}
          series={series.parts}
          selected={null}
          {...shared}
        />
      </section>
    </>
  );
}

function curveSeries(
  curve: Curve,
  buffers: readonly DataView[],
  show: Options["show"],
  changed: boolean,
  mode: "light" | "dark",
): Series[] {
  const read = (name: "baseline" | "current" | "change", faint = false): Series => ({
    name,
    values: decode(curve[name], buffers).data,
    errors: decode(curve[`${name}_sem`], buffers).data,
    color: faint ? "var(--lw-muted)" : colorOf(0, mode),
    faint,
  });
  if (show === "difference") return [read("change")];
  if (show === "baseline") return [read("baseline")];
  return changed ? [read("baseline", true), read("current")] : [read("current")];
}
