import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { palette } from "../../core/draw/color";
import { useTheme } from "../../core/draw/theme";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { Later } from "../../core/parts/later";
import type { PanelProps } from "../../core/parts/mount";
import { OptionButtons, OptionChoice } from "../../core/parts/options";
import { PromptPager } from "../../core/parts/pager";
import { Button, ColorBar } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { flush } from "../../core/state/flush";
import { useAnswer } from "../../core/state/resource";
import { RpcError } from "../../core/state/rpc";
import type { ViewSession } from "../../core/state/session";
import { areTokensOf, useLastKnown, usePromptTokens } from "../../core/state/tokens";
import type { ChangesSession } from "../../core/state/view_state";
import type { ErrorInfo } from "../../generated/messages";
import type { Tokens } from "../../generated/session";
import * as ask from "../../generated/token";
import { TokenCard } from "./card";
import type { EditedPrompt } from "./editor";
import { hitCount, hitText, lossTop, predictedColor, type TokenColor } from "./format";
import { placeCard } from "./place";
import { readStats, type TokenStats } from "./stats";
import { HIT_SHADE, MISS_SHADE, type Shade, Strip } from "./strip";

const COLORS = [
  { value: "loss", label: "loss", title: "loss of predicting the next token" },
  {
    value: "hit",
    label: "correct",
    title: "whether the next token is the most probable one",
  },
  {
    value: "from",
    label: "attends to",
    title: "what the token that is pointed at or picked attends to, by the selected head",
  },
  {
    value: "to",
    label: "attended by",
    title: "which tokens attend to the one that is pointed at or picked, by the selected head",
  },
] as const;

interface Hover {
  pos: number;
  chip: HTMLElement;
}

/** The prompt as tokens, what the model expects after each, and the prompt's editor. */
export function TokenPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("token", { session, rpc });
  const selection = session.selection.value;
  const { prompt } = selection;
  const color = session.option(ask.OPTIONS.color);
  const attended = color.value === "from" || color.value === "to" ? color.value : null;
  const predicted = predictedColor(color.value);
  const [shade, setShade] = useState<Shade | null>(null);
  const tokens = usePromptTokens(handle, prompt);
  const loaded = useAnswer(handle, ask.stats, { prompt });
  const { data } = loaded;
  // The logits of all prompts take longer than the rest of a click, so only where they are shown.
  const everywhere = useAnswer(
    handle,
    ask.hits,
    compact || session.state.value.n_prompts < 2 ? null : {},
  );
  const known = tokens !== null && areTokensOf(tokens, loaded, "pos");
  const stats = useLastKnown(
    useMemo(() => (known && data ? readStats(data, tokens.list) : null), [known, data, tokens]),
  );
  const top = useMemo(() => (stats ? lossTop(stats.loss, stats.baselineLoss) : FIRST_TOP), [stats]);
  const [hover, setHover] = useState<Hover | null>(null);
  const body = useRef<HTMLDivElement>(null);
  const editor = useEditor(session);
  const editing = editor.from;
  const [comparing, setComparing] = useState(false);
  const changed = session.state.value.interventions.some((item) => item.enabled);

  const count = session.state.value.n_prompts;
  const picked = attended === "to" ? selection.key_pos : selection.query_pos;
  const lock = (pos: number | null) => {
    if (attended === "to") session.select({ query_pos: null, key_pos: pos });
    else session.select(pos === null ? { query_pos: null, key_pos: null } : { query_pos: pos });
  };

  const csv = () =>
    known && data ? datasetCsv(data, { along: ["pos"], names: { pos: tokens.texts } }) : null;
  const controls = (
    <>
      {compact ? (
        <OptionChoice label="colour by" of={color} choices={COLORS} compact />
      ) : (
        <OptionButtons label="colour by" of={color} choices={COLORS} />
      )}
      {attended && known ? (
        <Later view={handle} name="token_attended" own={() => import("./attended")}>
          {({ Attended }) => (
            <Attended
              view={handle}
              mode={attended}
              tokens={tokens}
              pos={hover?.pos ?? picked ?? selection.query_pos}
              onShade={setShade}
            />
          )}
        </Later>
      ) : (
        <Legend color={predicted} stats={stats} top={top} />
      )}
      {stats && compact && !attended && <Hits stats={stats} brief />}
      <span class="lw-token-tools">
        <PromptPager session={session} count={count} />
        <button
          type="button"
          class="lw-btn"
          aria-expanded={comparing}
          title="the same text with and without BOS"
          onClick={() => flush(() => setComparing(!comparing))}
        >
          compare BOS
        </button>
        <Button
          label="edit prompt"
          asks
          disabled={tokens === null}
          onClick={() => (editor.from ? editor.close() : tokens && editor.open(tokens.attrs))}
        >
          edit ✎
        </Button>
      </span>
    </>
  );

  return (
    <ViewFrame
      handle={handle}
      title="Tokens"
      controls={controls}
      compact={compact}
      pager={false}
      takeaway={{ csv, code: () => askCode(handle, ask.code, { prompt }) }}
    >
      <div ref={body} class="lw-token-body">
        {stats && (
          <Strip
            stats={stats}
            color={predicted}
            top={top}
            shade={attended ? shade : undefined}
            picked={picked}
            selection={selection}
            template={tokens?.attrs.template ?? null}
            spans={tokens?.attrs.spans ?? NO_SPANS}
            numbered={!compact}
            onHover={(pos, chip) => setHover(pos === null || chip === null ? null : { pos, chip })}
            onLock={lock}
          />
        )}
        {tokens?.attrs.template && (
          <TemplateNote template={tokens.attrs.template} of={tokens.list} />
        )}
        {stats && !compact && <Hits stats={stats} everywhere={everywhere.data} />}
        {comparing && (
          <Later view={handle} name="token_bos" own={() => import("./bos")}>
            {({ BosComparison }) => (
              <BosComparison view={handle} prompt={prompt} color={predicted} />
            )}
          </Later>
        )}
        {editing && (
          <Later view={handle} name="token_editor" own={() => import("./editor")}>
            {({ PromptEditor }) => (
              <PromptEditor
                key={editing.prompt}
                view={handle}
                from={editing}
                error={editor.error}
                running={editor.running}
                onRun={editor.run}
                onClose={editor.close}
              />
            )}
          </Later>
        )}
        {stats && (
          <Card
            stats={stats}
            changed={changed}
            hover={hover}
            compact={compact}
            body={body}
            locked={selection.query_pos}
          />
        )}
      </div>
    </ViewFrame>
  );
}

/** What a chat template added to the messages of a conversation. */
function TemplateNote(props: { template: readonly number[]; of: readonly unknown[] }): JSX.Element {
  const { template, of } = props;
  return (
    <p class="lw-token-hits lw-muted lw-num" data-template={template.length}>
      {template.length > 0
        ? `A conversation: ${template.length} of ${of.length} tokens, underlined, were written by the chat template.`
        : "A conversation, as it was edited."}
    </p>
  );
}

/** How many next tokens are ranked first: in this prompt, and in all when there are several. */
function Hits(props: { stats: TokenStats; everywhere?: Everywhere; brief?: boolean }): JSX.Element {
  const { stats, everywhere, brief } = props;
  const [before = 0, all = 0] = everywhere?.numbers("hits") ?? [];
  const predicted = everywhere?.attrs.n_predicted ?? 0;
  const { hits, of } = hitCount(stats.rank, stats.tokens.length);
  const baseline = hitCount(stats.baselineRank, stats.tokens.length).hits;
  return (
    <p
      class="lw-token-hits lw-muted lw-num"
      data-hits={hits}
      data-of={of}
      data-all-hits={everywhere && all}
    >
      <span class="lw-token-guessed" aria-hidden="true" />
      {brief ? `${hits} of ${of} ranked first` : hitText(hits, baseline, of)}
      {everywhere && <span> · in all prompts {hitText(all, before, predicted)}</span>}
    </p>
  );
}

type Everywhere = ReturnType<typeof useAnswer<never, ask.Hits>>["data"];

/**
 * Alone, the view keeps a place for the card, since an output cell clips what hangs out of it. In the
 * explorer there is room below, and the card only appears while a token is pointed at.
 */
function Card(props: {
  stats: TokenStats;
  changed: boolean;
  hover: Hover | null;
  compact: boolean;
  body: { readonly current: HTMLDivElement | null };
  locked: number | null;
}): JSX.Element | null {
  const { stats, changed, hover, compact, body, locked } = props;
  const last = stats.tokens.length - 1;
  if (!compact) {
    const pos = Math.min(hover?.pos ?? locked ?? last, last);
    return <TokenCard stats={stats} pos={pos} changed={changed} />;
  }
  if (!hover || hover.pos > last || !body.current) return null;
  const bounds = body.current.getBoundingClientRect();
  const chip = hover.chip.getBoundingClientRect();
  const inside = { left: 0, top: 0, width: bounds.width, height: bounds.height };
  const box = {
    left: chip.left - bounds.left,
    top: chip.top - bounds.top,
    width: chip.width,
    height: chip.height,
  };
  const place = placeCard(box, Math.min(CARD_WIDTH, bounds.width), inside);
  return <TokenCard stats={stats} pos={hover.pos} changed={changed} place={place} />;
}

const NO_SPANS: Tokens["attrs"]["spans"] = {};
const CARD_WIDTH = 460;
/** The legend before the first reply. */
const FIRST_TOP = 6;

function Legend(props: { color: TokenColor; stats: TokenStats | null; top: number }): JSX.Element {
  const { color, stats, top } = props;
  const { loss, sequential } = palette(useTheme());
  if (color === "loss") {
    return (
      <span class="lw-token-legend">
        <ColorBar lo={0} hi={top} unit="nats" scale="loss" />
      </span>
    );
  }
  const { hits, of } = stats ? hitCount(stats.rank, stats.tokens.length) : { hits: 0, of: 0 };
  return (
    <span class="lw-token-legend">
      <span>
        <span class="lw-token-swatch" style={{ background: sequential.css(HIT_SHADE) }} />
        hit
      </span>
      <span>
        <span class="lw-token-swatch" style={{ background: loss.css(MISS_SHADE) }} />
        miss
      </span>
      <span class="lw-num" title="positions whose next token is the most probable one">
        {hits} of {of}
      </span>
    </span>
  );
}

interface Editor {
  /** The prompt being edited; null while the editor is closed. */
  from: Tokens["attrs"] | null;
  error: ErrorInfo | null;
  running: boolean;
  open: (from: Tokens["attrs"]) => void;
  close: () => void;
  run: (args: EditedPrompt) => void;
}

/** The editor's state. Its errors stay beside it: the view's own alert is for everything else. */
function useEditor(session: ViewSession): Editor {
  const [from, setFrom] = useState<Tokens["attrs"] | null>(null);
  const [error, setError] = useState<ErrorInfo | null>(null);
  const [running, setRunning] = useState(false);
  const mounted = useRef(true);
  useLayoutEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  const close = () => {
    setFrom(null);
    setError(null);
  };
  return {
    from,
    error,
    running,
    close,
    open(prompt) {
      setError(null);
      setFrom(prompt);
    },
    run(args) {
      setRunning(true);
      setError(null);
      let problem: ErrorInfo | null = null;
      const asking: ChangesSession = {
        change: (method, sent) =>
          session.change(method, sent).then(
            () => true,
            (reason: unknown) => {
              problem = errorInfo(reason);
              return false;
            },
          ),
      };
      void session.changes.make(asking, { what: "edit", prompt: args }).then(() => {
        if (!mounted.current) return;
        flush(() => {
          setRunning(false);
          if (problem) setError(problem);
          else close();
        });
      });
    },
  };
}

function errorInfo(reason: unknown): ErrorInfo {
  if (reason instanceof RpcError) return reason;
  return { type: "Error", message: String(reason), hint: "" };
}
