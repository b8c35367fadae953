import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fixed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { Segmented } from "../../core/parts/ui";
import type { Dataset } from "../../core/state/dataset";
import type * as ask from "../../generated/logit_lens";
import type { TokenInfo } from "../../generated/session";
import { Chart, type Series } from "./chart";
import type { Axis } from "./chart_layout";
import { type LensShow, tokensIn } from "./data";

// Okabe and Ito's colours, told apart whatever one's colour vision; lighter ones in dark mode.
const COLORS = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a07800", "#3d8fc4", "#555555", "#7a4fb5"],
  dark: ["#56b4e9", "#ff8c42", "#3ddbab", "#e9a6cb", "#f0c14b", "#9fd3f5", "#b5b5b5", "#c3a5f0"],
};
export function colorOf(index: number, mode: "light" | "dark"): string {
  return COLORS[mode][index % COLORS.light.length] ?? "currentColor";
}

const QUANTITIES = [
  { value: "prob", label: "probability" },
  { value: "rank", label: "rank", title: "0 is the likeliest token" },
] as const;
const PROB_AXIS: Axis = { to: (value) => value, includes: [0, 0.05] };
const RANK_AXIS: Axis = {
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
          <Chart
            label={`${quantity === "prob" ? "probability" : "rank"} of tokens by stage`}
            names={data.texts("stage")}
            series={series}
            axis={quantity === "prob" ? PROB_AXIS : RANK_AXIS}
            format={(value) => fixed(value, quantity === "prob" ? 4 : 0)}
            units={quantity === "prob" ? "probability" : "rank, 0 is first"}
            stale={stale}
            selected={stage}
            onPick={onPick}
          />
          <div class="lw-lens-pins">
            {pins.length === 0 && <span class="lw-muted">followed unless tokens are pinned:</span>}
            {tokensIn(data).map((token, i) => (
              <button
                key={token.id}
                type="button"
                class="lw-lens-pin"
                data-token-id={token.id}
                disabled={pins.length === 0}
                aria-label={`stop following ${token.text}`}
                style={{ "--lw-pin": colorOf(i, mode) }}
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
): Series[] {
  const size = data.dims.stage ?? 0;
  const row = (which: "baseline" | "current", i: number) =>
    data.numbers(`${which}_${quantity}`).subarray(i * size, (i + 1) * size);
  return data.texts("token").flatMap((name, i) => {
    const color = colorOf(i, mode);
    const old = { name: `${name} baseline`, values: row("baseline", i), color, faint: true };
    const current = { name, values: row("current", i), color };
    if (show === "baseline") return [{ ...current, values: row("baseline", i) }];
    return changed ? [old, current] : [current];
  });
}
