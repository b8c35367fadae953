import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { Header, type PanelProps, SessionMetric, useView, ViewRoot } from "../../core/parts/view";
import { ViewGroup } from "../../core/state/handle";
import { AblationPanelView } from "../ablation/view";
import { AttentionPanel } from "../attention/view";
import { AttributionPanel } from "../attribution/view";
import { TokenPanel } from "../token/view";

/** The four views of one session under one header; they share its selection, its changes and one comm. */
export function ExplorerPanel({ session, rpc }: PanelProps): JSX.Element {
  const group = useMemo(() => new ViewGroup("explorer", session), [session]);
  const head = useView("explorer", { session, rpc });
  const panel = { session, rpc, compact: true };
  return (
    <ViewRoot handle={group}>
      <div class="lw-explorer">
        <section class="lw-card lw-explorer-top">
          <SessionMetric view={head} />
          <Header handle={group} title="Circuit explorer" />
          <TokenPanel {...panel} />
        </section>
        <div class="lw-explorer-middle">
          <AttentionPanel {...panel} />
          <div class="lw-explorer-side">
            <AttributionPanel {...panel} />
          </div>
        </div>
        <AblationPanelView {...panel} />
      </div>
    </ViewRoot>
  );
}
