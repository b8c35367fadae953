import type { JSX } from "preact";
import { change, fixed, signed } from "../../core/draw/format";
import type { Dataset } from "../../core/state/dataset";
import type { Predictions } from "../../generated/ablation";
import type { Metric } from "../../generated/session";

/** The metric and the next token, before and after the interventions. */
export function BeforeAfter(props: {
  predictions: Dataset<Predictions>;
  /** The metric's mean over prompts; null before it is known. */
  mean: Metric["attrs"] | null;
  /** How many tokens are listed; all of them without it. */
  most?: number | undefined;
}): JSX.Element {
  const { predictions, mean } = props;
  const { prompt, metric, metric_baseline, metric_current } = predictions.attrs;
  const texts = predictions.texts("token");
  const [ids, baseline, current] = (["token_id", "baseline", "current"] as const).map((name) =>
    predictions.numbers(name),
  );
  return (
    <>
      <h4 class="lw-abl-heading">{metric}, baseline → current</h4>
      <div class="lw-abl-metric" role="table" aria-label={`${metric} before and after`}>
        <MetricRow
          name={`prompt ${prompt + 1}`}
          scope="selected"
          title={`${metric} of the selected prompt`}
          baseline={metric_baseline}
          current={metric_current}
        />
        {mean && (
          <MetricRow
            name={`mean of ${mean.n_prompts}`}
            scope="mean"
            title={`${metric}, mean over ${mean.n_prompts} prompts`}
            baseline={mean.baseline}
            current={mean.current}
          />
        )}
      </div>
      <h4 class="lw-abl-heading">next token, baseline and current</h4>
      <div class="lw-abl-predictions" role="table" aria-label="next token, baseline and current">
        {likeliest(baseline, current, props.most ?? texts.length).map((i) => (
          <PredictionRow
            key={ids?.[i]}
            id={ids?.[i] ?? -1}
            text={texts[i] ?? ""}
            baseline={baseline?.[i] ?? Number.NaN}
            current={current?.[i] ?? Number.NaN}
          />
        ))}
      </div>
    </>
  );
}

/** Which tokens are the likeliest before or now, in the order in which they came. */
function likeliest(
  before: Float32Array | undefined,
  now: Float32Array | undefined,
  most: number,
): number[] {
  const larger = Array.from(before ?? [], (value, i) => Math.max(value, now?.[i] ?? 0));
  const by = larger.map((_, i) => i).sort((a, b) => (larger[b] ?? 0) - (larger[a] ?? 0));
  return by.slice(0, most).sort((a, b) => a - b);
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

function PredictionRow(props: {
  id: number;
  text: string;
  baseline: number;
  current: number;
}): JSX.Element {
  const { id, text, baseline, current } = props;
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
    <div class="lw-abl-prediction" role="row" tabIndex={-1} data-prediction data-token-id={id}>
      <span role="rowheader" class="lw-mono" tabIndex={-1} title={text}>
        {text}
      </span>
      {cell("baseline", baseline)}
      {cell("current", current)}
    </div>
  );
}
