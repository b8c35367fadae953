import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, signed } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { LineChart } from "../../core/parts/chart/chart";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, SCOPES } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/loss";
import { tokens } from "../../generated/session";

const AXES = { x: "position", y: "next-token loss, nats" };

/** The loss at each position, and over the two halves of a repeated sequence. */
export function LossPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("loss", { session, rpc });
  const scope = session.setting("prompt_scope");
  const { prompt, query_pos } = session.selection.value;
  const args = { prompt: scope.value === "mean" ? null : prompt };
  const { data } = useAnswer(handle, ask.losses, args);
  const several = args.prompt === null && session.state.value.n_prompts > 1;
  const prompts = useAnswer(handle, tokens, several ? null : { prompt }, { on: "prompts" }).data;
  const changed = session.state.value.interventions.some(({ enabled }) => enabled);
  const series = useMemo(() => {
    if (!data) return [];
    const color = "#f58a3c";
    const read = (name: "current" | "baseline") => ({
      name,
      values: data.numbers(name),
      band: data.numbers(`${name}_sem`),
    });
    const current = { ...read("current"), color };
    return changed ? [current, { ...read("baseline"), baseline: true }] : [current];
  }, [data, changed]);
  const length = data?.dims.pos ?? 0;
  const points = useMemo(() => {
    const texts = several ? [] : (prompts?.texts("token") ?? []);
    return Array.from({ length }, (_, i) => texts[i] ?? String(i));
  }, [length, several, prompts]);
  const half = data?.attrs.half_length ?? null;
  const ranges = useMemo(
    () =>
      half === null
        ? []
        : [
            { from: 0, to: half - 1, label: "first half" },
            { from: half, to: 2 * half - 1, label: "second half" },
          ],
    [half],
  );
  const csv = () => data && datasetCsv(data);
  const code = () => askCode(handle, ask.code, args);
  return (
    <ViewFrame
      handle={handle}
      title="Loss by position"
      controls={<OptionButtons label="prompts" of={scope} choices={SCOPES} />}
      compact={compact}
      takeaway={{ csv, code }}
      reserve={() => 270}
    >
      {data && half !== null && (
        <p class="lw-num">
          {data.texts("half").map((name, i) => {
            const value = data.numbers("current_halves")[i] ?? Number.NaN;
            const sem = data.numbers("current_halves_sem")[i] ?? Number.NaN;
            const before = data.numbers("baseline_halves")[i] ?? Number.NaN;
            return (
              <span key={name}>
                {i > 0 && " · "}
                {name} half{" "}
                <b data-half={name} data-value={String(value)}>
                  {fixed(value, 3)}
                </b>
                {Number.isFinite(sem) && ` ± ${fixed(sem, 3)}`} nats
                {changed && ` (baseline ${fixed(before, 3)}, ${signed(value - before, 3)})`}
              </span>
            );
          })}
        </p>
      )}
      {data && (
        <LineChart
          label="loss by position"
          points={points}
          axes={AXES}
          units="nats"
          series={series}
          ranges={ranges}
          picked={query_pos}
          pointName={(i) => (several ? `position ${i}` : `${points[i]} at ${i}`)}
          onPick={(i) => session.select({ query_pos: i === query_pos ? null : i })}
        />
      )}
    </ViewFrame>
  );
}
