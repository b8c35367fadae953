import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, headLabel, parseHead } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { useHeadMap } from "../../core/parts/heads/map";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, SCOPES } from "../../core/parts/options";
import { RankedList } from "../../core/parts/ranked/ranked";
import { useView, ViewFrame } from "../../core/parts/view";
import { flush } from "../../core/state/flush";
import { useAnswer } from "../../core/state/resource";
import type { ViewSession } from "../../core/state/session";

import * as ask from "../../generated/head_scores";
import { LossMap, useLossEffects } from "./loss_map";
import { pickStripe, ScoreMaps } from "./maps";
import { namedHeads } from "./named";

/** How much each head attends along stripes that have a name, as maps and as one list. */
export function HeadScoresPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("head_scores", { session, rpc });
  const scope = session.setting("prompt_scope");
  const threshold = session.option(ask.OPTIONS.threshold).value;
  const { prompt, layer, head, stripe } = session.selection.value;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const args = { prompt: scope.value === "mean" ? null : prompt };
  const loaded = useAnswer(handle, ask.scores, args);
  const { data } = loaded;
  const named = useMemo(
    () => (data ? namedHeads(data.numbers("current"), data.texts("kind"), heads, threshold) : []),
    [data, heads, threshold],
  );
  const common = useHeadMap(handle, loaded.stale);
  const loss = useLossEffects(handle);
  const csv = () => data && datasetCsv(data);
  const code = () =>
    askCode(handle, ask.code, { ...args, loss_kind: loss.wanted ? loss.kind : null });
  const listed = named.map(({ kind, layer: l, head: h, value }) => {
    const name = headLabel(l, h);
    const at = ((data?.texts("kind").indexOf(kind) ?? 0) * layers + l) * heads + h;
    const before = data?.numbers("baseline")[at] ?? Number.NaN;
    return {
      id: `${name} ${kind}`,
      text: name,
      note: kind,
      value,
      error: data?.numbers("sem")[at],
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
          {data && <ScoreMaps view={handle} scores={data} common={common} />}
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
          {data && named.length === 0 && <p class="lw-said">No head reaches {fixed(threshold)}.</p>}
        </div>
      </div>
    </ViewFrame>
  );
}

/** The score from which a head is listed. */
function Threshold({ session }: { session: ViewSession }): JSX.Element {
  const threshold = session.option(ask.OPTIONS.threshold);
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
