import type { ComponentChildren, JSX, RefObject, TargetedKeyboardEvent } from "preact";
import { useContext, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { metric } from "../../generated/session";
import { fixed, signed } from "../draw/format";
import { flush } from "../state/flush";
import { ViewHandle, type ViewState } from "../state/handle";
import { useAnswer } from "../state/resource";
import { InTab } from "./columns";
import { Takeaway, type TakeawayContent } from "./export_menu";
import { historyKey, takesKeys } from "./keyboard";
import type { Draw, PanelProps } from "./mount";
import { PromptPager } from "./pager";
import { AlertBox, Counted, ProgressBar, StatusPill } from "./status";

/** Answers that come within this are shown at once, so that the later ones push nothing away. */
const TOGETHER_MS = 400;

/** How far outside the window a view is still near: less than a click of a mouse wheel or two. */
const NEAR = "200px 0px";

export { ViewHandle, type ViewState } from "../state/handle";
export type { Draw, PanelProps } from "./mount";

/** The view's handle for as long as its panel is mounted. */
export function useView(
  name: string,
  { session, rpc }: Pick<PanelProps, "session" | "rpc">,
): ViewHandle {
  const view = useMemo(() => new ViewHandle(name, session, rpc), [name, session, rpc]);
  useLayoutEffect(() => session.attach(view), [session, view]);
  return view;
}

export interface ViewFrameProps {
  handle: ViewHandle;
  title: ComponentChildren;
  /** Right side of the card head, or a line under the full header. */
  controls?: ComponentChildren;
  compact: boolean;
  class?: string;
  /** What can be copied or saved beside the picture, which every view has. */
  takeaway?: TakeawayContent;
  /** False where the view pages by itself or shows nothing of a prompt. Default true. */
  pager?: boolean;
  /** False where no number depends on the prompts: the metric is not asked for, and not shown. */
  metric?: boolean;
  /**
   * The height, in CSS pixels, that the body will have at a width: kept free until the first numbers are
   * there, so that nothing below is pushed away. What is there before is not shown: it would move, too.
   */
  reserve?: (width: number) => number;
  children: ComponentChildren;
}

/** One view in its frame: the full header when it stands alone, a card head inside the explorer. */
export function ViewFrame(props: ViewFrameProps): JSX.Element {
  const { handle, title, controls, compact, children } = props;
  const inTab = useContext(InTab);
  const take = <Takeaway handle={handle} {...props.takeaway} />;
  return (
    <ViewRoot handle={handle} class={props.class}>
      <section class="lw-card">
        {compact ? (
          <>
            <CardHead
              handle={handle}
              title={title}
              controls={inTab ? undefined : controls}
              end={take}
            />
            {inTab && controls && <div class="lw-toolbar">{controls}</div>}
          </>
        ) : (
          <>
            {props.metric !== false && <SessionMetric view={handle} />}
            <Header
              handle={handle}
              title={title}
              end={take}
              pager={props.pager !== false}
              metric={props.metric !== false}
            />
            {controls && <div class="lw-toolbar">{controls}</div>}
          </>
        )}
        <AlertBox handle={handle} />
        <Body handle={handle} reserve={props.reserve}>
          {children}
        </Body>
      </section>
    </ViewRoot>
  );
}

/** Keeps its place: the height it will have, and later the height it had, until what comes is there. */
function Body(props: {
  handle: ViewHandle;
  reserve: ((width: number) => number) | undefined;
  children: ComponentChildren;
}): JSX.Element {
  const { handle, reserve } = props;
  const box = useRef<HTMLDivElement>(null);
  const rested = useRef(0);
  const [shown, setShown] = useState(false);
  const status = handle.status.value;
  const works = status === "busy" || status === "waiting";
  const nothing = handle.empty.value;
  useEffect(() => {
    if (shown || nothing) return undefined;
    // Several answers make one picture; a slow one is not waited for.
    const timer = setTimeout(() => setShown(true), works ? TOGETHER_MS : 0);
    return () => clearTimeout(timer);
  }, [shown, nothing, works]);
  const empty = reserve !== undefined && !shown && (nothing || works);
  const moves = works || empty;
  useLayoutEffect(() => {
    const body = box.current;
    if (!body) return;
    const least = (!empty && rested.current) || reserve?.(body.clientWidth) || 0;
    body.style.minHeight = moves ? `${least}px` : "";
  });
  useEffect(() => {
    if (moves) return undefined;
    // In the next frame: what a click empties is asked for in the same one, and then it is no rest.
    const frame = requestAnimationFrame(() => {
      if (box.current) rested.current = box.current.offsetHeight;
    });
    return () => cancelAnimationFrame(frame);
  });
  return (
    <div ref={box} class="lw-body" data-empty={empty || undefined}>
      {empty && (
        <p class="lw-body-empty">
          <Counted handle={handle} />
        </p>
      )}
      {props.children}
    </div>
  );
}

/** Asks for the session's metric, for the header of the page to show: once a revision. */
export function SessionMetric({ view }: { view: ViewHandle }): null {
  const { session } = view;
  const { data, revision } = useAnswer(view, metric, {});
  useLayoutEffect(() => {
    if (data) session.see({ ...data.attrs, revision });
  }, [session, data, revision]);
  return null;
}

/** The element tests and automation wait on; z and shift+z undo and redo anywhere inside it. */
export function ViewRoot(props: {
  handle: ViewState;
  class?: string | undefined;
  attributes?: Record<string, string | undefined>;
  onKeyDown?: (event: TargetedKeyboardEvent<HTMLDivElement>) => void;
  children: ComponentChildren;
}): JSX.Element {
  const { handle } = props;
  const root = useRef<HTMLDivElement>(null);
  useNear(root, handle instanceof ViewHandle ? handle : null);
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    props.onKeyDown?.(event);
    const step = event.defaultPrevented ? null : historyKey(event);
    if (!step || !(handle instanceof ViewHandle)) return;
    event.preventDefault();
    event.stopPropagation();
    void handle.session.changes.make(handle, { what: step });
  };
  return (
    <div
      ref={root}
      class={`lw-view lw-view-${handle.name} ${props.class ?? ""}`}
      role="group"
      aria-label={handle.name}
      {...takesKeys}
      data-lw-view={handle.name}
      data-lw-status={handle.status.value}
      data-lw-seq={handle.paintedSeq.value}
      data-lw-revision={handle.paintedRevision.value}
      {...props.attributes}
      onKeyDown={onKeyDown}
    >
      {props.children}
    </div>
  );
}

/** Tells the view whether it is on screen, or so close that it may be any moment. */
function useNear(root: RefObject<HTMLElement | null>, view: ViewHandle | null): void {
  useLayoutEffect(() => {
    const element = root.current;
    if (!element || !view || typeof IntersectionObserver === "undefined") return undefined;
    const seen = new Map<Element, boolean>();
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) seen.set(target, isIntersecting);
        flush(() => {
          view.near.value = [...seen.values()].includes(true);
        });
      },
      { rootMargin: NEAR },
    );
    // Until the browser has told, which is a frame later: nobody can have scrolled to it.
    view.near.value = false;
    // In the explorer a view's cards stand in its columns, and the root itself has no box.
    for (const one of [element, ...element.querySelectorAll(".lw-card")]) observer.observe(one);
    return () => observer.disconnect();
  }, [root, view]);
}

/** Title and controls of a card, with the state beside the title and the progress in its lower border. */
export function CardHead(props: {
  handle: ViewState;
  title: ComponentChildren;
  controls?: ComponentChildren;
  /** For a second card of the same view, whose state the first one shows. */
  quiet?: boolean;
  end?: ComponentChildren;
}): JSX.Element {
  return (
    <header class="lw-card-head">
      <h3 class="lw-title">{props.title}</h3>
      {!props.quiet && <StatusPill handle={props.handle} compact />}
      <div class="lw-controls">{props.controls}</div>
      {props.end}
      {!props.quiet && <ProgressBar handle={props.handle} />}
    </header>
  );
}

/** What qualifies every number below: model, device, weights, metric, state. */
export function Header(props: {
  handle: ViewState;
  title: ComponentChildren;
  /** After the metric: what else came of the interventions. */
  outcome?: Draw;
  /** Last. */
  end?: ComponentChildren;
  pager?: boolean;
  metric?: boolean;
  /** One line where it can be: what else is known of the model is told on hover. */
  brief?: boolean;
}): JSX.Element {
  const { handle } = props;
  const info = handle.session.info.value;
  const { n_layers, n_heads } = info;
  const size = `${count(n_layers, "layer")} × ${count(n_heads, "head")}`;
  const made = `${info.device} · ${info.dtype} · ${info.weights} weights`;
  return (
    <header class="lw-head">
      <h2 class="lw-title">{props.title}</h2>
      <div class="lw-chips">
        <span class="lw-chip lw-chip-round" title={props.brief ? `${size}, ${made}` : undefined}>
          {info.model_name} · {props.brief ? `${n_layers} × ${n_heads}` : size}
        </span>
        {!props.brief && <span class="lw-chip lw-chip-round">{made}</span>}
        {info.notes.map((note) => (
          <span key={note} class="lw-chip lw-chip-round lw-note">
            {note}
          </span>
        ))}
      </div>
      <div class="lw-head-end">
        <StatusPill handle={handle} />
        {props.pager && (
          <PromptPager session={handle.session} count={handle.session.state.value.n_prompts} />
        )}
        {props.metric !== false && <Metric handle={handle} />}
        {props.outcome?.()}
        {props.end}
      </div>
      <ProgressBar handle={handle} />
    </header>
  );
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

/** `logit difference 3.55 → 0.94 −2.61` */
export function Metric({ handle }: { handle: ViewState }): JSX.Element {
  const seen = handle.session.metric.value;
  const { baseline = null, current = null } = seen ?? {};
  const change = baseline === null || current === null ? null : current - baseline;
  const sign = change === null || fixed(change) === "0.00" ? "" : change > 0 ? "lw-pos" : "lw-neg";
  const prompts = seen && seen.n_prompts > 1 ? `mean of ${seen.n_prompts} prompts` : "";
  return (
    <span
      class="lw-metric"
      data-lw-metric={seen?.metric ?? ""}
      data-baseline={baseline === null ? "" : String(baseline)}
      data-current={current === null ? "" : String(current)}
      data-change={change === null ? "" : String(change)}
      title={[seen?.units, prompts].filter(Boolean).join(", ")}
    >
      <span class="lw-metric-name">{seen?.metric ?? "metric"}</span>
      <span class="lw-metric-values lw-num">
        <span class="lw-muted">{fixed(baseline)}</span>
        {" → "}
        <b>{fixed(current)}</b>
        <span class={`lw-metric-change ${sign}`}>{signed(change)}</span>
      </span>
    </span>
  );
}
