import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ViewState } from "../state/handle";
import { isUnanswerable, type ProgressInfo } from "../state/rpc";
import { isOfModel } from "../state/session";
import type { Status } from "../state/view_state";
import { Button } from "./ui";

const LATE_MS = 150;

const SAID: Readonly<Partial<Record<Status, string>>> = { outdated: "model changed" };

/** True once the condition has held for a while: work that is over at once is not worth a flicker. */
function useLate(condition: boolean): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!condition) return undefined;
    const timer = setTimeout(() => setLate(true), LATE_MS);
    return () => {
      clearTimeout(timer);
      setLate(false);
    };
  }, [condition]);
  return condition && late;
}

/** What the view is doing, with its stop button. It grows to the left, where nothing stands. */
export function StatusPill(props: { handle: ViewState; compact?: boolean }): JSX.Element | null {
  const { handle, compact } = props;
  const now = handle.status.value;
  // Late stays late when work goes on after a cell: the stop button must not vanish under the mouse.
  const late = useLate(now === "busy" || now === "waiting");
  const status = now === "busy" && !late ? "idle" : now;
  const progress = handle.progress.value;
  const working = status === "busy" || status === "waiting";
  const counted = progress && progress.total > 1 ? ` ${progress.done} / ${progress.total}` : "";
  const stopped = working ? "" : handle.stopped.value;
  const text = stopped
    ? stopped
    : status === "busy"
      ? `${progress?.label || "computing"}${counted}`
      : status === "waiting"
        ? waitingFor(progress)
        : status === "offscreen"
          ? "computed once it is on screen"
          : (SAID[status] ?? status);
  const title =
    status === "snapshot"
      ? "as last saved; a running kernel would compute anew"
      : stopped === "interrupted"
        ? "stopped by the interrupt of the kernel"
        : text;
  // Said once for all parts of a view, in its header.
  if (compact && (status === "snapshot" || status === "outdated")) return null;
  return (
    <span
      class={compact ? "lw-pill lw-pill-compact" : "lw-pill"}
      data-state={stopped ? "stopped" : status}
      role="status"
    >
      <span class="lw-pill-dot" />
      <span class="lw-pill-text lw-num" title={title}>
        {text}
      </span>
      {working && (
        <Button label="stop" title="stop computing" onClick={() => handle.stop()}>
          <span class="lw-stop-mark" /> stop
        </Button>
      )}
      {stopped && (
        <Button label="resume" title="compute again" asks onClick={() => handle.retry()}>
          resume
        </Button>
      )}
    </span>
  );
}

/** What the kernel does not answer for: it runs a cell, or says nothing at all. */
function waitingFor(progress: ProgressInfo | null): string {
  // What a sweep was about to do says nothing of why it does not.
  return progress?.label.startsWith("waiting") ? progress.label : "waits for your cell";
}

/** How much of a sweep is known, where its numbers are missing: "zero ablation 38 / 300". */
export function Counted({ handle }: { handle: ViewState }): JSX.Element | null {
  const progress = handle.progress.value;
  if (handle.status.value === "waiting") {
    return <span class="lw-muted lw-num lw-counted">{waitingFor(progress)}</span>;
  }
  if (!progress || progress.total <= 1) return null;
  return (
    <span class="lw-muted lw-num lw-counted">
      {progress.label} {progress.done} / {progress.total}
    </span>
  );
}

/** A thin line: how far the running computation is. */
export function ProgressBar({ handle }: { handle: ViewState }): JSX.Element {
  const progress = handle.progress.value;
  const known = progress !== null && progress.total > 0;
  const share = known ? Math.min(1, progress.done / progress.total) : 0;
  return (
    <div
      class="lw-progress"
      data-active={known}
      role="progressbar"
      aria-label="progress"
      aria-valuemin={0}
      aria-valuemax={known ? progress.total : 0}
      aria-valuenow={known ? progress.done : 0}
    >
      <div class="lw-progress-bar" style={{ transform: `scaleX(${share})` }} />
    </div>
  );
}

/** What went wrong and what to do about it. The view below stays usable. */
export function AlertBox({ handle }: { handle: ViewState }): JSX.Element | null {
  const error = handle.error.value;
  // Of the model and of a lost kernel the notice above speaks, for all views of this place.
  if (!error || isOfModel(error) || (isUnanswerable(error) && handle.session.lost.value)) {
    return null;
  }
  return (
    <div class="lw-alert" role="alert" data-error-type={error.type}>
      <div class="lw-alert-text">
        <b>{error.message}</b>
        {error.hint && <span class="lw-muted">{error.hint}</span>}
      </div>
      {!isUnanswerable(error) && <Button label="try again" onClick={() => handle.retry()} />}
      <Button label="dismiss" onClick={() => handle.dismiss()} />
    </div>
  );
}
