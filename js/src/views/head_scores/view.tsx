import type { JSX } from "preact";
import { fixed } from "../../core/draw/format";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { useHeadMap } from "../../core/parts/heads/map";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, SCOPES } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import { flush } from "../../core/state/flush";
import { useAnswer } from "../../core/state/resource";
import type { ViewSession } from "../../core/state/session";

import * as ask from "../../generated/head_scores";
import { reservedHeight } from "./layout";
import { LossMap, useLossEffects } from "./loss_map";
import { ScoreMaps } from "./maps";

/** How much each head attends along stripes that have a name, as maps and as one list. */
export function HeadScoresPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("head_scores", { session, rpc });
  const scope = session.setting("prompt_scope");
  const threshold = session.option(ask.OPTIONS.threshold).value;
  const { prompt } = session.selection.value;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const args = { prompt: scope.value === "mean" ? null : prompt };
  const loaded = useAnswer(handle, ask.scores, args);
  const { data } = loaded;
  const common = useHeadMap(handle, loaded.stale);
  const loss = useLossEffects(handle);
  const csv = () => data && datasetCsv(data);
  const code = () =>
    askCode(handle, ask.code, { ...args, loss_kind: loss.wanted ? loss.kind : null });
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
      reserve={(w) => reservedHeight(w - 24, layers, heads)}
    >
      {data && <ScoreMaps view={handle} scores={data} common={common} threshold={threshold} />}
      <LossMap view={handle} effects={loss} common={common} />
    </ViewFrame>
  );
}

/** The score from which a head is listed. */
function Threshold({ session }: { session: ViewSession }): JSX.Element {
  const threshold = session.option(ask.OPTIONS.threshold);
  return (
    <label class="lw-muted lw-num lw-threshold">
      list heads from{" "}
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
