import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, headLabel, parseHead } from "../../core/draw/format";
import { requestCode } from "../../core/export/code";
import { useHeadMap } from "../../core/parts/heads/map";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, SCOPES } from "../../core/parts/options";
import { RankedList } from "../../core/parts/ranked/ranked";
import { useView, ViewFrame } from "../../core/parts/view";
import { decode } from "../../core/state/arrays";
import { flush } from "../../core/state/flush";
import { useResource } from "../../core/state/resource";
import type { ViewSession } from "../../core/state/session";
import { toCsv } from "./csv";
import { LossMap, useLossEffects } from "./loss_map";
import { pickStripe, ScoreMaps } from "./maps";
import { namedHeads } from "./named";

/** How much each head attends along stripes that have a name, as maps and as one list. */
export function HeadScoresPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("head_scores", { session, rpc });
  const scope = session.option("scope");
  const threshold = session.option("threshold").value;
  const { prompt, layer, head, stripe } = session.selection.value;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  // A mean does not depend on the prompt, so it is always asked in the same way.
  const args = { scope: scope.value, prompt: scope.value === "mean" ? 0 : prompt };
  const loaded = useResource(handle, "scores", "head_scores", args);
  const { result, buffers } = loaded;
  const scores = useMemo(
    () =>
      result && {
        kinds: result.kinds,
        now: decode(result.current, buffers).data,
        before: decode(result.baseline, buffers).data,
        sem: decode(result.sem, buffers).data,
      },
    [result, buffers],
  );
  const named = useMemo(
    () => (scores ? namedHeads(scores.now, scores.kinds, heads, threshold) : []),
    [scores, heads, threshold],
  );
  const common = useHeadMap(handle, loaded.stale);
  const loss = useLossEffects(handle);
  const csv = () =>
    scores && toCsv(scores, heads, loss.values && { kind: loss.kind, values: loss.values });
  const code = () =>
    requestCode(handle, "head_scores_code", { ...args, loss_kind: loss.wanted ? loss.kind : null });
  const listed = named.map(({ kind, layer: l, head: h, value }) => {
    const name = headLabel(l, h);
    const at = ((scores?.kinds.indexOf(kind) ?? 0) * layers + l) * heads + h;
    const before = scores?.before[at] ?? Number.NaN;
    return {
      id: `${name} ${kind}`,
      text: name,
      note: kind,
      value,
      error: scores?.sem[at],
      title: `${kind} score ${fixed(value, 4)}; baseline ${fixed(before, 4)}`,
      selected: l === layer && h === head && (stripe ?? kind) === kind,
      attributes: { "data-head": name, "data-kind": kind },
    };
  });
  return (
    <ViewFrame
      handle={handle}
      title="Head scores"
      compact={compact}
      controls={
        <>
          <OptionButtons label="prompts" of={scope} choices={SCOPES} />
          <Threshold session={session} />
        </>
      }
      takeaway={{ csv, code }}
    >
      <div class="lw-beside">
        <div>
          {result && scores && (
            <ScoreMaps
              view={handle}
              result={result}
              scores={scores.now}
              errors={scores.sem}
              common={common}
            />
          )}
          <LossMap view={handle} effects={loss} common={common} />
        </div>
        <div class="lw-head-list">
          <RankedList
            title={`heads from ${fixed(threshold)}; a click outlines the stripe`}
            hi={1}
            digits={3}
            plain
            items={listed}
            onPick={({ text, note }) => {
              const picked = parseHead(text);
              if (picked && note) pickStripe(handle, picked, note);
            }}
          />
          {scores && named.length === 0 && (
            <p class="lw-said">No head reaches {fixed(threshold)}.</p>
          )}
        </div>
      </div>
    </ViewFrame>
  );
}

/** The score from which a head is listed. */
function Threshold({ session }: { session: ViewSession }): JSX.Element {
  const threshold = session.option("threshold");
  return (
    <label class="lw-muted lw-num lw-threshold">
      named from{" "}
      <input
        type="range"
        aria-label="threshold of the list"
        min={0}
        max={1}
        step={0.05}
        value={threshold.value}
        onInput={(event) => {
          const chosen = event.currentTarget.valueAsNumber;
          flush(() => {
            threshold.value = chosen;
          });
        }}
      />{" "}
      {fixed(threshold.value)}
    </label>
  );
}
