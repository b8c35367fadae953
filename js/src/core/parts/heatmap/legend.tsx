import type { JSX } from "preact";
import type { Ramp } from "../../draw/canvas";
import { ColorBar } from "../ui";

/** The one colour bar of one or several maps, and what their marks mean. */
export function MapLegend(props: {
  ramp: Ramp;
  kind: "sequential" | "diverging" | "loss";
  units: string;
  /** Whether estimates or cells without a number are on screen, so that their marks are explained. */
  estimates?: boolean;
  unknown?: boolean;
}): JSX.Element {
  const { ramp, kind, units, estimates, unknown } = props;
  return (
    <span class="lw-map-legend">
      <ColorBar lo={ramp.scale.signed ? -ramp.hi : 0} hi={ramp.hi} unit={units} scale={kind} />
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
