import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { HeadMap } from "../../core/parts/heads/map";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { ABLATION_KINDS, OptionButtons } from "../../core/parts/options";
import { Button } from "../../core/parts/ui";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/head_scores";

/** What ablating each head adds to the loss: one run a head, so only when it is asked for. */
export interface LossEffects {
  wanted: boolean;
  ask: () => void;
  /** How heads were ablated for `values`. */
  kind: "zero" | "mean" | "resample";
  values: Float32Array | null;
  definition: string;
  partial: boolean;
  stale: boolean;
}

export function useLossEffects(view: ViewHandle): LossEffects {
  const [wanted, setWanted] = useState(false);
  const ablation_kind = view.session.setting("ablation_kind").value;
  const loaded = useAnswer(view, ask.lossEffects, wanted ? { ablation_kind } : null, {
    sweep: true,
  });
  const { data } = loaded;
  return {
    wanted,
    ask: () => setWanted(true),
    kind: loaded.args?.ablation_kind ?? ablation_kind,
    values: data?.numbers("loss_change") ?? null,
    definition: data?.attrs.definition ?? " ",
    partial: loaded.partial,
    stale: loaded.stale,
  };
}

export function LossMap(props: {
  view: ViewHandle;
  effects: LossEffects;
  common: HeadMap;
}): JSX.Element {
  const { view, common, effects } = props;
  const { values, partial, stale, kind } = effects;
  const ramp = useRamp([values], { scale: "diverging", partial, of: kind });
  if (!effects.wanted) {
    return (
      <p class="lw-loss-map">
        <Button label="ablate each head, show the loss" asks onClick={effects.ask} />
      </p>
    );
  }
  return (
    <section class="lw-loss-map" aria-label="effect of ablating on the loss" data-kind="loss">
      <div class="lw-loss-head">
        <OptionButtons
          label="kind of ablation"
          of={view.session.setting("ablation_kind")}
          choices={ABLATION_KINDS}
        />
        <p class="lw-said">{effects.definition}</p>
      </div>
      <MapLegend ramp={ramp} kind="diverging" units="nats" unknown={partial} />
      <HeatMap
        {...common}
        label="change of the loss, layers by heads"
        values={values}
        ramp={ramp}
        units="nats"
        missing={partial ? "unknown" : "absent"}
        stale={stale}
      />
    </section>
  );
}
