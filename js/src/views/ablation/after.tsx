import type { JSX } from "preact";
import { change, fixed, signed } from "../../core/draw/format";
import type { EffectsResult, Prediction } from "../../generated/protocol";

/** The metric and the next token, before and after the interventions. */
export function BeforeAfter({ effects }: { effects: EffectsResult }): JSX.Element {
  const { summary } = effects;
  return (
    <>
      <h4 class="lw-abl-heading">{summary.metric}, baseline → current</h4>
      <div class="lw-abl-metric" role="table" aria-label={`${summary.metric} before and after`}>
        <MetricRow
          name={`prompt ${effects.prompt + 1}`}
          scope="selected"
          title={`${summary.metric} of the selected prompt`}
          baseline={effects.baseline}
          current={effects.current}
        />
        <MetricRow
          name={`mean of ${summary.n_prompts}`}
          scope="mean"
          title={`${summary.metric}, mean over ${summary.n_prompts} prompts`}
          baseline={summary.baseline}
          current={summary.current}
        />
      </div>
      <h4 class="lw-abl-heading">next token, baseline and current</h4>
      <div class="lw-abl-predictions" role="table" aria-label="next token, baseline and current">
        {effects.predictions.map((prediction) => (
          <PredictionRow key={prediction.token.id} {...prediction} />
        ))}
      </div>
    </>
  );
}

function MetricRow(props: {
  name: string;
  scope: "selected" | "mean";
  title: string;
  baseline: number | null;
  current: number | null;
}): JSX.Element {
  const { name, scope, title, baseline, current } = props;
  const moved = change(baseline, current);
  const sign =
    moved === null || Number(fixed(Math.abs(moved))) === 0 ? "" : moved > 0 ? "pos" : "neg";
  const cell = (column: string, value: number | null, text: string, more = "") => (
    <span
      role="cell"
      class={`lw-num ${more}`}
      data-column={column}
      data-value={value === null ? "" : String(value)}
    >
      {text}
    </span>
  );
  return (
    <div class="lw-abl-metric-row" role="row" tabIndex={-1} title={title} data-scope={scope}>
      <span role="rowheader" class="lw-muted" tabIndex={-1}>
        {name}
      </span>
      {cell("baseline", baseline, fixed(baseline), "lw-muted")}
      <span aria-hidden="true">→</span>
      {cell("current", current, fixed(current))}
      {cell("change", moved, signed(moved), sign && `lw-${sign}`)}
    </div>
  );
}

function PredictionRow({ token, baseline, current }: Prediction): JSX.Element {
  const cell = (column: "baseline" | "current", value: number) => (
    <span role="cell" class="lw-num" data-column={column} data-value={String(value)}>
      <span class="lw-abl-track" aria-hidden="true">
        <span
          class="lw-abl-bar"
          data-which={column}
          style={{ width: `${100 * Math.max(0, Math.min(1, value))}%` }}
        />
      </span>
      {fixed(value)}
    </span>
  );
  return (
    <div
      class="lw-abl-prediction"
      role="row"
      tabIndex={-1}
      data-prediction
      data-token-id={token.id}
    >
      <span role="rowheader" class="lw-mono" tabIndex={-1} title={token.text}>
        {token.text}
      </span>
      {cell("baseline", baseline)}
      {cell("current", current)}
    </div>
  );
}
