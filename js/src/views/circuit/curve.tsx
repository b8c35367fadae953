import type { JSX } from "preact";
import { fixed } from "../../core/draw/format";
import { flush } from "../../core/state/flush";
import { pressed } from "./graph";

export interface Stop {
  share: number;
  edges: number;
  /** NaN until it is measured. */
  faithfulness: number;
  sem: number;
  low: number;
  high: number;
}

const HEIGHT = 132;
const LEFT = 34;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 22;
/** What lies beyond is drawn at the edge: the ratio explodes where the metrics are close. */
const LEAST = -0.5;
const MOST = 1.5;

/** Measured faithfulness over the circuit's size. The slider's stops are those of the curve. */
export function SizeCurve(props: {
  width: number;
  stops: readonly Stop[];
  at: number;
  stale: boolean;
  onStop: (index: number) => void;
}): JSX.Element {
  const { width, stops, at, stale } = props;
  const known = stops.flatMap(({ faithfulness, low, high }) =>
    [faithfulness, low, high].filter((value) => !Number.isNaN(value)),
  );
  const lo = Math.max(LEAST, Math.min(0, ...known));
  const hi = Math.min(MOST, Math.max(1, ...known));
  const step = (width - LEFT - RIGHT) / Math.max(1, stops.length - 1);
  const x = (index: number) => LEFT + step * index;
  const y = (value: number) =>
    TOP + ((hi - Math.max(lo, Math.min(hi, value))) / (hi - lo)) * (HEIGHT - TOP - BOTTOM);
  const measured = stops.flatMap((stop, index) =>
    Number.isNaN(stop.faithfulness) ? [] : [{ ...stop, index }],
  );
  const banded = stops.flatMap((stop, index) =>
    Number.isNaN(stop.low) ? [] : [{ ...stop, index }],
  );
  const band = [
    ...banded.map(({ index, high }) => `${x(index)} ${y(high)}`),
    ...banded.reverse().map(({ index, low }) => `${x(index)} ${y(low)}`),
  ];
  const stop = stops[at];
  return (
    <div class="lw-circuit-curve" data-stale={stale} data-stop={at}>
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label="faithfulness by size of the circuit"
      >
        {[0, 0.5, 1].map((value) => (
          <g key={value}>
            <line
              class="lw-circuit-rule"
              x1={LEFT}
              x2={width - RIGHT}
              y1={y(value)}
              y2={y(value)}
            />
            <text x={LEFT - 6} y={y(value) + 4} text-anchor="end">
              {value}
            </text>
          </g>
        ))}
        {band.length > 0 && <path class="lw-circuit-band" d={`M${band.join("L")}Z`} />}
        {measured.length > 1 && (
          <path
            class="lw-circuit-line"
            d={`M${measured.map(({ index, faithfulness }) => `${x(index)} ${y(faithfulness)}`).join("L")}`}
          />
        )}
        {measured.map(({ index, faithfulness, sem }) => (
          <g
            key={index}
            class="lw-circuit-stop"
            data-size={index}
            data-value={faithfulness}
            data-at={index === at}
            data-beyond={faithfulness < LEAST || faithfulness > MOST}
            {...pressed(stopText(stops[index]), () => flush(() => props.onStop(index)))}
          >
            {sem > 0 && (
              <line
                x1={x(index)}
                x2={x(index)}
                y1={y(faithfulness - sem)}
                y2={y(faithfulness + sem)}
              />
            )}
            <circle cx={x(index)} cy={y(faithfulness)} r={index === at ? 5 : 3} />
          </g>
        ))}
        {stops.map(({ share }, index) => (
          <text
            key={share}
            class="lw-circuit-share"
            x={x(index)}
            y={HEIGHT - 6}
            data-at={index === at}
          >
            {shareText(share)}
          </text>
        ))}
      </svg>
      <input
        type="range"
        class="lw-circuit-slider"
        style={{ marginLeft: `${LEFT - 8}px`, width: `${width - LEFT - RIGHT + 16}px` }}
        min={0}
        max={Math.max(0, stops.length - 1)}
        step={1}
        value={at}
        aria-label="size of the circuit"
        aria-valuetext={stop ? stopText(stop) : undefined}
        onInput={(event) => {
          const { valueAsNumber } = event.currentTarget;
          flush(() => props.onStop(valueAsNumber));
        }}
      />
    </div>
  );
}

function shareText(share: number): string {
  if (share === 1) return "all";
  const text = String(Number((100 * share).toPrecision(2))).replace(/^0\./, ".");
  return `${text}%`;
}

function stopText(stop: Stop | undefined): string {
  if (!stop) return "";
  const { share, edges, faithfulness, sem } = stop;
  const size = `${Number((100 * share).toPrecision(2))} %`;
  if (Number.isNaN(faithfulness)) return size;
  const error = Number.isNaN(sem) ? "" : ` ± ${fixed(sem)}`;
  return `${size}: ${edges.toLocaleString("en")} edges, faithfulness ${fixed(faithfulness)}${error}`;
}
