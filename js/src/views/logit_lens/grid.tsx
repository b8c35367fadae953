import type { JSX } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import { fixed, signed } from "../../core/draw/format";
import { HeatMap, type MapCell } from "../../core/parts/heatmap/heatmap";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { type LensColor, type LensWindow, shading, stageName } from "./data";

/** Stages by positions: the likeliest token of each, coloured. */
export function Grid(props: {
  /** The prompt's, from its first on. */
  tokens: readonly string[];
  window: LensWindow;
  color: LensColor;
  stale: boolean;
  selected: { stage: string; pos: number } | null;
  onSelect: (place: { stage: string; layer: number; pos: number } | null) => void;
}): JSX.Element {
  const { tokens, window, color, stale, selected, onSelect } = props;
  const shade = useMemo(() => shading(window, color), [window, color]);
  const painted = shade.colors ?? shade.values;
  const ramp = useRamp(
    useMemo(() => [painted], [painted]),
    { scale: shade.kind, ...(shade.hi === undefined ? {} : { hi: shade.hi }), of: color },
  );
  const { start, count } = window;
  const change = window.show === "difference";
  const names = useMemo(
    () => Array.from({ length: count }, (_, i) => tokens[start + i] ?? ""),
    [tokens, start, count],
  );
  const rows = useMemo(() => window.stages.map(stageName), [window]);
  const textAt = useCallback((index: number) => window.token[index]?.text ?? "", [window]);
  const cell = useCallback(
    (row: number, col: number) => {
      const index = row * count + col;
      const token = window.token[index];
      const was = window.was[index];
      const before = token && was && was.id !== token.id ? `, was ${was.text}` : "";
      const target = window.targets[col] ?? "";
      const known = !Number.isNaN(window.rank[index]);
      const rank = known ? rankWords(target, window.rank[index], color, change) : "";
      return {
        name: `${rows[row]} at ${start + col} ${names[col]}: ${token?.text}${before}${rank}`,
        attributes: {
          "data-stage": window.stages[row],
          "data-pos": start + col,
          "data-token-id": token?.id,
          "data-rank": known ? window.rank[index] : undefined,
          "data-kl": window.kl[index],
          "data-prob": window.prob[index],
        },
      };
    },
    [window, rows, names, start, count, color, change],
  );
  const chosen = useMemo((): readonly MapCell[] => {
    const row = selected ? window.stages.indexOf(selected.stage) : -1;
    const col = selected ? selected.pos - start : -1;
    return row >= 0 && col >= 0 && col < count ? [{ row, col }] : [];
  }, [selected?.stage, selected?.pos, window, start, count]);

  return (
    <HeatMap
      label={`logit lens, stages by positions ${start} to ${start + count - 1}`}
      rows={rows}
      cols={names}
      axes={{ rows: "stage", cols: "position" }}
      values={shade.values}
      colors={shade.colors}
      textAt={textAt}
      ramp={ramp}
      units={shade.units}
      format={shade.format}
      cell={cell}
      stale={stale}
      maxHeight={760}
      selected={chosen}
      onSelect={(cells) => {
        const last = cells.at(-1);
        const stage = last && window.stages[last.row];
        if (!last || stage === undefined) onSelect(null);
        else onSelect({ stage, layer: window.layers[last.row] ?? 0, pos: start + last.col });
      }}
    />
  );
}

/** What is known of the target, or what the number after these words is of. */
function rankWords(
  target: string,
  rank: number | undefined,
  color: LensColor,
  change: boolean,
): string {
  const name = change ? `change of the rank of ${target}` : `rank of ${target}`;
  if (color === "rank") return `, ${name}`;
  return `, ${name} ${change ? signed(rank, 0) : fixed(rank, 0)}`;
}
