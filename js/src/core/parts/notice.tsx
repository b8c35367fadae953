import type { JSX } from "preact";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { refresh } from "../../generated/session";
import { ViewHandle } from "../state/handle";
import type { Rpc } from "../state/rpc";
import type { ViewSession } from "../state/session";
import { AlertBox } from "./status";
import { Button } from "./ui";

/** Above all views of one place: what is true of every number below, and the one thing to do about it. */
export function Notice({ session, rpc }: { session: ViewSession; rpc: Rpc }): JSX.Element | null {
  const view = useMemo(() => new ViewHandle("notice", session, rpc), [session, rpc]);
  useLayoutEffect(() => session.attach(view), [session, view]);
  const { outdated } = session;
  const error = session.lost.value ? LOST : outdated.value;
  if (!error) return null;
  return (
    <>
      <div class="lw-alert lw-notice" role="alert" data-error-type={error.type}>
        <div class="lw-alert-text">
          <b>{error.message}</b>
          <span class="lw-muted">{error.hint}</span>
        </div>
        {error.type === "ModelChangedError" && (
          <Button
            label="refresh"
            title="compute everything anew with the model as it is now"
            primary
            disabled={session.changing.value}
            onClick={() => void view.change(refresh, {})}
          />
        )}
      </div>
      <AlertBox handle={view} />
    </>
  );
}

const LOST = {
  type: "KernelLost",
  message: "The kernel was restarted or has ended: run the cells again.",
  hint: "What is shown are the last numbers.",
};
