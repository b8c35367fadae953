import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fixed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { Segmented } from "../../core/parts/ui";
import { decode, type NumArray } from "../../core/state/arrays";
import type { Resource } from "../../core/state/resource";
import type { LensPathResult, Methods, Options, TokenInfo } from "../../generated/protocol";
import { Chart, type Series } from "./chart";
import type { Axis } from "./chart_layout";

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
  loaded: Resource<Methods["lens_path"]>;
  show: Options["show"];
  changed: boolean;
  stage: string | null;
  pins: readonly number[];
  onUnpin: (token: TokenInfo) => void;
  onPick: (stage: string) => void;
}): JSX.Element {
  const { loaded, show, changed, stage, pins, onUnpin, onPick } = props;
  const { result, buffers } = loaded;
  const { mode } = useTheme();
  const [quantity, setQuantity] = useState<"prob" | "rank">("prob");
  const series = useMemo(
    () => (result ? pathSeries(result, buffers, quantity, show, changed, mode) : []),
    [result, buffers, quantity, show, changed, mode],
  );
  return (
    <section class="lw-lens-part">
      <header class="lw-lens-head">
        <h4>
          Tokens through the stages
          {result && <span class="lw-muted"> at position {result.pos}</span>}
        </h4>
        <Segmented
          label="quantity"
          options={QUANTITIES}
          value={quantity}
          onChange={(value) => setQuantity(value)}
        />
      </header>
      {result && (
        <>
          <Chart
            label={`${quantity === "prob" ? "probability" : "rank"} of tokens by stage`}
            names={result.stages}
            series={series}
            axis={quantity === "prob" ? PROB_AXIS : RANK_AXIS}
            format={(value) => fixed(value, quantity === "prob" ? 4 : 0)}
            units={quantity === "prob" ? "probability" : "rank, 0 is first"}
            stale={loaded.stale}
            selected={stage}
            onPick={onPick}
          />
          <div class="lw-lens-pins">
            {pins.length === 0 && <span class="lw-muted">followed unless tokens are pinned:</span>}
            {result.tokens.map((token, i) => (
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
  result: LensPathResult,
  buffers: readonly DataView[],
  quantity: "prob" | "rank",
  show: Options["show"],
  changed: boolean,
  mode: "light" | "dark",
): Series[] {
  const refs =
    quantity === "prob"
      ? ([result.baseline_prob, result.current_prob] as const)
      : ([result.baseline_rank, result.current_rank] as const);
  const [before, now] = refs.map((ref) => decode(ref, buffers)) as [NumArray, NumArray];
  const row = (array: NumArray, i: number) =>
    array.data.subarray(i * result.stages.length, (i + 1) * result.stages.length);
  return result.tokens.flatMap((token, i) => {
    const color = colorOf(i, mode);
    const old = { name: `${token.text} baseline`, values: row(before, i), color, faint: true };
    const current = { name: token.text, values: row(now, i), color };
    if (show === "baseline") return [{ ...current, values: row(before, i) }];
    return changed ? [old, current] : [current];
  });
}
