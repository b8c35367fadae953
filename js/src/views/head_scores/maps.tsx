import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { HeadMap } from "../../core/parts/heads/map";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import type { Dataset } from "../../core/state/dataset";
import type { ViewHandle } from "../../core/state/handle";
import type { HeadRef } from "../../core/state/session";
import { stripeKind } from "../../core/state/stripes";
import type { Scores } from "../../generated/head_scores";

/** Selects a head everywhere and outlines its stripe; once more takes the outline away. */
export function pickStripe({ session }: ViewHandle, picked: HeadRef, kind: string): void {
  const { layer, head, stripe } = session.selection.peek();
  const again = layer === picked.layer && head === picked.head && stripe === kind;
  session.select({ ...picked, stripe: again ? null : stripeKind(kind) });
}

/** A map for each kind of score, on one scale; or the sentence that says why there is none. */
export function ScoreMaps(props: {
  view: ViewHandle;
  scores: Dataset<Scores>;
  common: HeadMap;
}): JSX.Element {
  const { view, scores, common } = props;
  const kinds = scores.texts("kind");
  const size = common.rows.length * common.cols.length;
  const split = (all: Float32Array) => kinds.map((_, i) => all.subarray(i * size, (i + 1) * size));
  const maps = useMemo(() => split(scores.numbers("current")), [scores, size]);
  const spreads = useMemo(() => split(scores.numbers("sem")), [scores, size]);
  const ramp = useRamp(maps, { scale: "sequential", hi: 1 });
  const shown = view.session.selection.value.stripe ?? null;
  return (
    <section aria-label="scores">
      <MapLegend ramp={ramp} kind="sequential" units={scores.attrs.units} />
      <div class="lw-columns lw-score-maps">
        {kinds.map((kind, i) => (
          <div key={kind} data-kind={kind} title={scores.texts("definition")[i]}>
            <div class="lw-map-title">
              {kind}
              {kind === shown && <span class="lw-outlined"> outlined</span>}
            </div>
            {scores.texts("missing")[i] ? (
              <p class="lw-said">{scores.texts("missing")[i]}</p>
            ) : (
              <HeatMap
                {...common}
                label={`${kind} scores, ${scores.attrs.units}, layers by heads`}
                values={maps[i] ?? null}
                errors={spreads[i] ?? null}
                ramp={ramp}
                units=""
                onSelect={(_, clicked) => {
                  if (clicked) pickStripe(view, { layer: clicked.row, head: clicked.col }, kind);
                }}
              />
            )}
          </div>
        ))}
      </div>
    </section>
  );
}
