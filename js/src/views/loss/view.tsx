import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, signed } from "../../core/draw/format";
import { requestCode } from "../../core/export/code";
import { csv as toCsv } from "../../core/export/csv";
import { LineChart } from "../../core/parts/chart/chart";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, SCOPES } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import { decode } from "../../core/state/arrays";
import { useResource } from "../../core/state/resource";

const AXES = { x: "position", y: "next-token loss, nats" };
const HALVES = ["first", "second"] as const;

/** The loss at each position, and over the two halves of a repeated sequence. */
export function LossPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("loss", { session, rpc });
  const scope = session.option("scope");
  const { prompt, query_pos } = session.selection.value;
  const args = { scope: scope.value, prompt: scope.value === "mean" ? 0 : prompt };
  const { result, buffers } = useResource(handle, "losses", "losses", args);
  const found = useMemo(() => {
    if (!result) return null;
    const of = (array: typeof result.current) => decode(array, buffers).data;
    return {
      now: of(result.current),
      before: of(result.baseline),
      nowSem: of(result.current_sem),
      beforeSem: of(result.baseline_sem),
      halves: of(result.current_halves),
      halvesSem: of(result.current_halves_sem),
      halvesBefore: of(result.baseline_halves),
    };
  }, [result, buffers]);
  const changed = session.state.value.interventions.some(({ enabled }) => enabled);
  const series = useMemo(() => {
    if (!found) return [];
    const color = "#f58a3c";
    const band = (sem: Float32Array) => (sem.some((value) => value >= 0) ? { band: sem } : {});
    const now = { name: "current", values: found.now, color, ...band(found.nowSem) };
    const before = { values: found.before, baseline: true, ...band(found.beforeSem) };
    return changed ? [now, { name: "baseline", ...before }] : [now];
  }, [found, changed]);
  const several = scope.value === "mean" && (result?.tokens.n_prompts ?? 1) > 1;
  const length = found?.now.length ?? 0;
  const points = useMemo(
    () =>
      Array.from({ length }, (_, i) =>
        several ? String(i) : (result?.tokens.tokens[i]?.text ?? String(i)),
      ),
    [length, several, result],
  );
  const half = result?.half ?? null;
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
  const csv = () =>
    found &&
    toCsv(
      ["pos", "token", "baseline", "baseline_sem", "current", "current_sem"],
      Array.from(found.now, (value, i) => [
        ...[i, several ? null : points[i], found.before[i], found.beforeSem[i]],
        ...[value, found.nowSem[i]],
      ]),
    );
  const code = () => requestCode(handle, "losses_code", args);
  return (
    <ViewFrame
      handle={handle}
      title="Loss by position"
      controls={<OptionButtons label="prompts" of={scope} choices={SCOPES} />}
      compact={compact}
      takeaway={{ csv, code }}
    >
      {found && half !== null && (
        <p class="lw-num">
          {HALVES.map((name, i) => {
            const value = found.halves[i] ?? Number.NaN;
            const sem = found.halvesSem[i] ?? Number.NaN;
            const before = found.halvesBefore[i] ?? Number.NaN;
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
      {found && half === null && (
        <p class="lw-said">
          No halves to compare: {several ? "not every prompt is" : "the prompt is not"} one token
          and then the same tokens twice.
        </p>
      )}
      {found && (
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
