import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fixed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { type ChartSeries, LineChart, type ValueScale } from "../../core/parts/chart/chart";
import { lineColor } from "../../core/parts/chart/lines";
import { Segmented } from "../../core/parts/ui";
import type { Dataset } from "../../core/state/dataset";
import type * as ask from "../../generated/logit_lens";
import type { TokenInfo } from "../../generated/session";
import { type LensShow, placeOf, stageName, tokensIn } from "./data";

const QUANTITIES = [
  { value: "prob", label: "probability" },
  { value: "rank", label: "rank", title: "0 is the likeliest token" },
] as const;
const PROB_SCALE: ValueScale = { to: (value) => value, includes: [0, 0.05] };
const RANK_SCALE: ValueScale = {
  to: (rank) => -Math.log10(1 + Math.max(0, rank)),
  ticks: [0, 10, 100, 1000, 10_000, 100_000],
  includes: [0, 10],
};

/** The tokens followed from stage to stage at one position, and who they are. */
export function Paths(props: {
  data: Dataset<ask.Path> | null;
  stale: boolean;
  show: LensShow;
  changed: boolean;
  stage: string | null;
  pins: readonly number[];
  onUnpin: (token: TokenInfo) => void;
  onPick: (stage: string) => void;
}): JSX.Element {
  const { data, stale, show, changed, stage, pins, onUnpin, onPick } = props;
  const { mode } = useTheme();
  const [quantity, setQuantity] = useState<"prob" | "rank">("prob");
  const series = useMemo(
    () => (data ? pathSeries(data, quantity, show, changed, mode) : []),
    [data, quantity, show, changed, mode],
  );
  const stages = useMemo(() => data?.texts("stage") ?? [], [data]);
  const names = useMemo(() => stages.map(stageName), [stages]);
  return (
    <section class="lw-lens-part">
      <header class="lw-lens-head">
        <h4>
          Tokens through the stages
          {data && <span class="lw-muted"> at position {data.attrs.pos}</span>}
        </h4>
        <Segmented
          label="quantity"
          options={QUANTITIES}
          value={quantity}
          onChange={(value) => setQuantity(value)}
        />
      </header>
      {data && (
        <>
          <LineChart
            label={`${quantity === "prob" ? "probability" : "rank"} of tokens by stage`}
            points={names}
            axes={{ x: "stage", y: quantity === "prob" ? "probability" : "rank" }}
            series={series}
            scale={quantity === "prob" ? PROB_SCALE : RANK_SCALE}
            format={(value) => fixed(value, quantity === "prob" ? 4 : 0)}
            units={quantity === "prob" ? "probability" : "rank, 0 is first"}
            stale={stale}
            picked={placeOf(stage, stages)}
            onPick={(i) => onPick(stages[i] ?? "")}
          />
          <div class="lw-lens-pins">
            {pins.length === 0 && (
              <span class="lw-muted">the likeliest; choose others with ○ in the list:</span>
            )}
            {tokensIn(data).map((token, i) => (
              <button
                key={token.id}
                type="button"
                class="lw-lens-pin"
                data-token-id={token.id}
                disabled={pins.length === 0}
                aria-label={`stop following ${token.text}`}
                style={{ "--lw-pin": lineColor(i, mode) }}
                onClick={() => onUnpin(token)}
              >
                <span class="lw-mono lw-token-text">{token.text}</span>
                {pins.length > 0 && " ×"}
              </button>
            ))}
          </div>
        </>
      )}
    </section>
  );
}

function pathSeries(
  data: Dataset<ask.Path>,
  quantity: "prob" | "rank",
  show: LensShow,
  changed: boolean,
  mode: "light" | "dark",
): ChartSeries[] {
  const size = data.dims.stage ?? 0;
  const row = (which: "baseline" | "current", i: number) =>
    data.numbers(`${which}_${quantity}`).subarray(i * size, (i + 1) * size);
  return data.texts("token").flatMap((name, i) => {
    const color = lineColor(i, mode);
    const old = { name: `${name} baseline`, values: row("baseline", i), color, baseline: true };
    const current = { name, values: row("current", i), color };
    if (show === "baseline") return [{ ...current, values: row("baseline", i) }];
    return changed ? [old, current] : [current];
  });
}
