import type { JSX, TargetedKeyboardEvent } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { fixed, parseHead, signed } from "../../core/draw/format";
import { Button, TokenText } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import { usePromptTokens } from "../../core/state/tokens";
import { predictions } from "../../generated/ablation";
import { rows as askRows } from "../../generated/attribution";
import { type Facts, factsOf, type Region } from "./tour_facts";

interface Step {
  region: Region;
  title: string;
  text: (facts: Facts) => JSX.Element;
  /** Whether the tour's head is off while this is read. */
  off: boolean;
}

/** What one looks at and what one can do, in the order of a first look at a circuit. */
const STEPS: readonly Step[] = [
  {
    region: "top",
    title: "One number for one question",
    off: false,
    text: ({ metric, before, likeliest }) => (
      <>
        What comes after <Token text={before} />? The model's likeliest answer is{" "}
        <Token text={likeliest.before} />. The number beside it, <b>{metric.name}</b>, is{" "}
        {fixed(metric.baseline)} {metric.units}: all else on this page says which part of the model
        makes it.
      </>
    ),
  },
  {
    region: "heads",
    title: "All attention heads",
    off: false,
    text: ({ head, effect, count }) => (
      <>
        Each small square is one of {count} heads, layers downwards. Its rows are the tokens that
        look, its columns those that are looked at. Outlined in blue is <b>{head}</b>, which by
        itself adds most to the number: {signed(effect.baseline)}. Click on any other.
      </>
    ),
  },
  {
    region: "pattern",
    title: "Where it looks",
    off: false,
    text: ({ head, before }) => (
      <>
        The pattern of {head} in full. Read its last row: there <Token text={before} /> looks for
        what comes next. Point at a cell for its weight, click on it to keep it.
      </>
    ),
  },
  {
    region: "attribution",
    title: "What each part adds",
    off: false,
    text: ({ head, effect, metric }) => (
      <>
        What every part writes about the answer, largest first. All rows sum to the metric,{" "}
        {fixed(metric.baseline)}; {head} adds {signed(effect.baseline)}. The switch at the left of a
        row takes the part out of the model.
      </>
    ),
  },
  {
    region: "switched",
    title: "Switch it off",
    off: true,
    text: ({ head, metric, likeliest }) => (
      <>
        {head} is off now: its output is replaced by zeros, and the model ran again. The metric went
        from {fixed(metric.baseline)} to <b>{fixed(metric.current)}</b>;{" "}
        {likeliest.now === likeliest.before ? (
          <>
            the likeliest token stays <Token text={likeliest.now} />.
          </>
        ) : (
          <>
            the likeliest token is <Token text={likeliest.now} /> and no longer{" "}
            <Token text={likeliest.before} />.
          </>
        )}{" "}
        Every view shows the model as it is now.
      </>
    ),
  },
  {
    region: "attribution",
    title: "Does another part step in?",
    off: true,
    text: ({ head, backup }) =>
      backup ? (
        <>
          Column Δ says what changed elsewhere. Without {head}, <b>{backup.name}</b> adds{" "}
          {signed(backup.change)} more than before: what {head} did is partly done by others, so its
          effect alone does not say what the model loses.
        </>
      ) : (
        <>
          Column Δ says what changed elsewhere. Without {head} no other part adds more than before:
          nothing stands in for it.
        </>
      ),
  },
  {
    region: "tabs",
    title: "Go on from here",
    off: false,
    text: ({ head }) => (
      <>
        {head} is on again. The tabs show the same head and prompt in other ways: what patching it
        restores, what each layer would predict, what its weights do. <i>copy code</i> gives what
        you did as a script of TransformerLens.
      </>
    ),
  },
];

/** A short tour of the explorer on the model and the prompt that it shows: "what am I looking at?" */
export function Tour(props: {
  view: ViewHandle;
  onRegion: (region: Region) => void;
  onClose: () => void;
}): JSX.Element | null {
  const { view, onRegion, onClose } = props;
  const { session } = view;
  const { prompt } = session.selection.value;
  const [at, setAt] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const quiet = { quiet: true };
  const rows = useAnswer(
    view,
    askRows,
    { by: "head", prompt: null, pos: null },
    { ...quiet, slot: "tour_rows" },
  );
  const next = useAnswer(view, predictions, { prompt }, { ...quiet, slot: "tour_predictions" });
  const tokens = usePromptTokens(view, prompt);
  const chosen = useRef("");
  const facts = factsOf(session, rows.data, next.data, tokens?.texts ?? [], chosen.current);
  const head = facts?.head ?? "";
  if (head) chosen.current = head;
  const step = STEPS[at];

  // The head is chosen once; whoever clicks on another goes on with that one.
  useLayoutEffect(() => {
    const place = head ? parseHead(head) : null;
    if (place) session.select(place);
  }, [head, session]);
  useLayoutEffect(() => {
    if (head && step) turn(view, head, step.off);
    if (step) onRegion(step.region);
  }, [view, head, step, onRegion]);
  useEffect(() => {
    box.current?.querySelector<HTMLElement>("[data-next]")?.focus({ preventScroll: true });
  }, [facts !== null]);

  const go = (to: number) => {
    if (to >= 0 && to < STEPS.length) flush(() => setAt(to));
    else if (to >= STEPS.length) close();
  };
  const close = () => {
    if (head) turn(view, head, false);
    flush(onClose);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") close();
    else if (move !== undefined && at + move < STEPS.length) go(at + move);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  if (!facts || !step) return null;
  const known = session.metric.value?.revision === session.revision.value;
  const busy = rows.stale || next.stale || !known;
  return (
    <div
      ref={box}
      class="lw-tour"
      role="dialog"
      aria-label="tour of the explorer"
      data-lw-unprinted=""
      data-step={at}
      data-side={step.region === "pattern" || step.region === "tabs" ? "left" : "middle"}
      onKeyDown={onKeyDown}
    >
      <div class="lw-tour-head">
        <b>{step.title}</b>
        <Button label="end the tour" onClick={close}>
          ✕
        </Button>
      </div>
      <p aria-live="polite" aria-busy={busy}>
        {busy ? <span class="lw-muted">computing…</span> : step.text(facts)}
      </p>
      <div class="lw-tour-foot">
        <span class="lw-muted lw-num">
          {at + 1} of {STEPS.length}
        </span>
        <button type="button" class="lw-btn" disabled={at === 0} onClick={() => go(at - 1)}>
          back
        </button>
        <button type="button" class="lw-btn" data-next="" onClick={() => go(at + 1)}>
          {at === STEPS.length - 1 ? "done" : "next"}
        </button>
      </div>
    </div>
  );
}

function Token({ text }: { text: string }): JSX.Element {
  return (
    <code>
      <TokenText text={text} />
    </code>
  );
}

/** Switches the tour's head off or on, where it is not so yet. */
function turn(view: ViewHandle, head: string, off: boolean): void {
  const { session } = view;
  if (session.changes.ablated.peek().has(head) === off) return;
  void session.changes.make(view, { what: "ablate", component: head, kind: "zero", on: off });
}
