import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { isBeyond, type Ramp } from "../../draw/canvas";
import { ColorBar } from "../ui";

const NONE: readonly (Float32Array | null)[] = [];

/** The one colour bar of one or several maps, and what their marks mean. */
export function MapLegend(props: {
  ramp: Ramp;
  kind: "sequential" | "diverging" | "loss";
  units: string;
  /** Whether estimates or cells without a number are on screen, so that their marks are explained. */
  estimates?: boolean;
  unknown?: boolean;
  /** The values shown, so that the mark of those beyond the scale is explained where there are any. */
  values?: readonly (Float32Array | null)[];
  /** What is written at the ends of the bar, where its middle is not 0. */
  ends?: readonly [string, string];
}): JSX.Element {
  const { ramp, kind, units, estimates, unknown, values = NONE, ends } = props;
  const beyond = useMemo(
    () => values.some((array) => array?.some((value) => isBeyond(value, ramp))),
    [ramp, values.length, ...values],
  );
  const { center = 0, hi, scale } = ramp;
  return (
    <span class="lw-map-legend">
      <ColorBar
        lo={scale.signed ? center - hi : center}
        hi={center + hi}
        unit={units}
        scale={kind}
        ends={ends}
      />
      {beyond && (
        <span class="lw-map-key">
          <span class="lw-map-swatch" data-state="beyond" />
          beyond the scale
        </span>
      )}
      {estimates && (
        <span class="lw-map-key">
          <span class="lw-map-swatch" data-state="estimate" />
          estimate
        </span>
      )}
      {unknown && (
        <span class="lw-map-key">
          <span class="lw-map-swatch" data-state="unknown" />
          not known yet
        </span>
      )}
    </span>
  );
}
