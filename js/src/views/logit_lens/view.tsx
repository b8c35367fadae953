import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import type { PanelProps } from "../../core/parts/mount";
import { Button } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import type { Dataset } from "../../core/state/dataset";
import { flush } from "../../core/state/flush";
import { useAnswer } from "../../core/state/resource";
import { usePromptTokens } from "../../core/state/tokens";
import * as ask from "../../generated/logit_lens";
import type { TokenInfo } from "../../generated/session";
import { CellCard } from "./card";
import { Controls, Legend } from "./controls";
import { columnsIn, readWindow, reservedHeight, startFor } from "./data";
import { Grid } from "./grid";
import { Lines } from "./lines";
import { Paths } from "./paths";

const TOP_K = 8;
const MAX_PINS = 8;
const FINAL = "final_post";
const NO_TEXTS: readonly string[] = [];

/** What the model would predict if it stopped at each stage of the residual stream. */
export function LensPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("logit_lens", { session, rpc });
  const selection = session.selection.value;
  const { prompt, query_pos } = selection;
  const show = session.option(ask.OPTIONS.show).value;
  const color = session.option(ask.OPTIONS.lens_color).value;
  const lens_target = session.option(ask.OPTIONS.lens_target).value;
  const order = session.option(ask.OPTIONS.lens_order).value;
  const incl_mid = session.option(ask.OPTIONS.incl_mid).value;
  const scope = session.setting("prompt_scope").value;
  const pinned = session.option(ask.OPTIONS.pins);
  const pins = pinned.value;
  const changed = session.state.value.interventions.some((item) => item.enabled);

  const body = useRef<HTMLDivElement>(null);
  const { width } = useSize(body);
  const count = width > 0 ? columnsIn(width) : 0;
  const [start, setStart] = useState<number | null>(null);
  const question = { prompt, show, lens_target, incl_mid };
  // Without a kernel the window is the one that was saved, whatever the width now.
  const live = session.connected.value;
  const saved = live ? null : session.snapshot.saved("logit_lens/grid", ask.grid);
  const asked = count === 0 ? null : { ...question, ...(start === null ? {} : { start }), count };
  const loaded = useAnswer(handle, ask.grid, saved?.args ?? asked);
  const { data } = loaded;
  const window = useMemo(() => data && readWindow(data, order), [data, order]);
  const tokens = usePromptTokens(handle, loaded.args?.prompt ?? prompt);
  const texts = tokens?.texts ?? NO_TEXTS;
  const length = texts.length;
  const [stage, setStage] = useStage(selection.layer, data);
  const place = { prompt, lens_target, incl_mid };
  const last = Math.max(0, length - 1);
  const pos = Math.min(query_pos ?? last, last);
  const cell = useAnswer(
    handle,
    ask.cell,
    length === 0 || !live ? null : { ...place, stage, query_pos: pos, k: TOP_K },
  );
  const path = useAnswer(handle, ask.path, { prompt, query_pos, pins, incl_mid });
  const ofLines = { prompt: scope === "mean" ? null : prompt, incl_mid };
  const lines = useAnswer(handle, ask.lines, ofLines);
  const { n_prompts } = session.state.value;

  useLayoutEffect(() => {
    if (!window || query_pos === null || query_pos >= length) return;
    const to = startFor(query_pos, window.start, window.count, length);
    if (to !== null) setStart(to);
  }, [query_pos]);
  useLayoutEffect(() => setStart(null), [prompt]);

  const csv = () => {
    if (!data || !window) return null;
    const names = { pos: texts.slice(window.start, window.start + window.count) };
    return datasetCsv(data, { along: ["stage", "pos"], names });
  };
  const code = () => askCode(handle, ask.code, { show, incl_mid });
  const pin = (token: TokenInfo) => {
    const without = pins.filter((id) => id !== token.id);
    const added = without.length < pins.length ? without : [...pins, token.id].slice(-MAX_PINS);
    flush(() => {
      pinned.value = added;
    });
  };
  const pick = (name: string) => {
    const index = window?.stages.indexOf(name) ?? -1;
    flush(() => setStage(name));
    if (window && index >= 0) session.select({ layer: window.layers[index] ?? 0 });
  };
  return (
    <ViewFrame
      handle={handle}
      title="Logit lens"
      compact={compact}
      controls={<Controls session={session} />}
      takeaway={{ csv, code }}
      reserve={(w) => reservedHeight(w, session.info.peek().n_layers, incl_mid)}
    >
      <div ref={body} class="lw-lens">
        {window && (
          <>
            <div class="lw-lens-bar-top">
              <Legend window={window} color={color} />
              <Pager
                start={window.start}
                count={window.count}
                length={length}
                onStart={(to) => setStart(to)}
              />
            </div>
            <Grid
              tokens={texts}
              window={window}
              color={color}
              stale={loaded.stale}
              selected={{ stage, pos }}
              onSelect={(chosen) => {
                flush(() => setStage(chosen?.stage ?? FINAL));
                if (chosen) session.select({ layer: chosen.layer, query_pos: chosen.pos });
                else session.select({ query_pos: null });
              }}
            />
          </>
        )}
        {/* The grid comes above them, however late. */}
        <div class="lw-lens-parts" style={{ visibility: window ? "visible" : "hidden" }}>
          <CellCard
            handle={handle}
            data={cell.data}
            stale={cell.stale}
            changed={changed}
            words={(at) => `${at} ${texts[at] ?? ""}`}
            pins={pins}
            onPin={pin}
          />
          <Paths
            data={path.data}
            stale={path.stale}
            show={show}
            changed={changed}
            stage={stage}
            pins={pins}
            onUnpin={pin}
            onPick={pick}
          />
          <Lines
            data={lines.data}
            stale={lines.stale}
            show={show}
            changed={changed}
            stage={stage}
            onPick={pick}
          />
        </div>
        {lines.data && (
          <p class="lw-lens-note">
            {lines.data.attrs.definition}
            {scope === "mean" && n_prompts > 1
              ? ` Bands: standard error over ${n_prompts} prompts.`
              : ""}
          </p>
        )}
      </div>
    </ViewFrame>
  );
}

/** The chosen stage; a layer that is selected elsewhere brings its own last stage. */
function useStage(layer: number, data: Dataset<ask.Grid> | null) {
  const [stage, setStage] = useState(FINAL);
  const seen = useRef(layer);
  useLayoutEffect(() => {
    if (seen.current === layer || !data) return;
    seen.current = layer;
    const layers = data.numbers("layer");
    const all = data.texts("stage");
    if (layers[all.indexOf(stage)] === layer) return;
    const stages = all.filter((name, i) => layers[i] === layer && name !== FINAL);
    setStage(stages.at(-1) ?? FINAL);
  }, [layer, data]);
  // Stages between attention and MLP can be switched off while one is chosen.
  const known = !data || data.texts("stage").includes(stage);
  return [known ? stage : FINAL, setStage] as const;
}

function Pager(props: {
  start: number;
  count: number;
  length: number;
  onStart: (start: number) => void;
}): JSX.Element | null {
  const { start, count, length, onStart } = props;
  if (count >= length) return null;
  const to = (at: number) => onStart(Math.max(0, Math.min(length - count, at)));
  return (
    <span class="lw-lens-pager lw-num">
      <Button label="earlier positions" disabled={start === 0} onClick={() => to(start - count)}>
        ‹
      </Button>
      positions {start}–{start + count - 1} of {length}
      <Button
        label="later positions"
        disabled={start + count >= length}
        onClick={() => to(start + count)}
      >
        ›
      </Button>
    </span>
  );
}
