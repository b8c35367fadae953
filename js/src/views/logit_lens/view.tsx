import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { requestCode } from "../../core/export/code";
import type { PanelProps } from "../../core/parts/mount";
import { Button } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { flush } from "../../core/state/flush";
import { useResource } from "../../core/state/resource";
import type { LensResult, Methods, TokenInfo } from "../../generated/protocol";
import { CellCard } from "./card";
import { Controls, Legend } from "./controls";
import { toCsv } from "./csv";
import { columnsIn, readWindow, startFor } from "./data";
import { Grid } from "./grid";
import { Lines } from "./lines";
import { Paths } from "./paths";

const TOP_K = 8;
const MAX_PINS = 8;
const FINAL = "final_post";

/** What the model would predict if it stopped at each stage of the residual stream. */
export function LensPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("logit_lens", { session, rpc });
  const selection = session.selection.value;
  const { prompt, query_pos } = selection;
  const show = session.option("show").value;
  const color = session.option("lens_color").value;
  const lens_target = session.option("lens_target").value;
  const order = session.option("lens_order").value;
  const incl_mid = session.option("incl_mid").value;
  const scope = session.option("scope").value;
  const pinned = session.option("pins");
  const pins = pinned.value;
  const changed = session.state.value.interventions.some((item) => item.enabled);

  const body = useRef<HTMLDivElement>(null);
  const { width } = useSize(body);
  const count = width > 0 ? columnsIn(width) : 0;
  const [start, setStart] = useState<number | null>(null);
  const question = { prompt, which: show, lens_target, incl_mid };
  // Without a kernel the window is the one that was saved, whatever the width now.
  const live = session.connected.value;
  const saved = live ? null : session.snapshot.saved<Methods["lens"]>("logit_lens/grid", "lens");
  const asked = count === 0 ? null : { ...question, ...(start === null ? {} : { start }), count };
  const loaded = useResource(handle, "grid", "lens", saved?.args ?? asked);
  const { result, buffers } = loaded;
  const window = useMemo(
    () => result && readWindow(result, buffers, order),
    [result, buffers, order],
  );
  const length = result?.tokens.tokens.length ?? 0;
  const [stage, setStage] = useStage(selection.layer, result);
  const place = { prompt, lens_target, incl_mid };
  const last = Math.max(0, length - 1);
  const pos = Math.min(query_pos ?? last, last);
  const cell = useResource(
    handle,
    "cell",
    "lens_cell",
    length === 0 || !live ? null : { ...place, stage, pos, k: TOP_K },
  );
  const path = useResource(handle, "path", "lens_path", { prompt, query_pos, pins, incl_mid });
  // The mean does not depend on the selected prompt, so paging must not ask for it again.
  const ofLines = { scope, prompt: scope === "mean" ? 0 : prompt, incl_mid };
  const lines = useResource(handle, "lines", "lens_lines", ofLines);

  useLayoutEffect(() => {
    if (!window || query_pos === null || query_pos >= length) return;
    const to = startFor(query_pos, window.start, window.count, length);
    if (to !== null) setStart(to);
  }, [query_pos]);
  useLayoutEffect(() => setStart(null), [prompt]);

  const csv = () => (result && window ? toCsv(result, window) : null);
  const code = () => requestCode(handle, "lens_code", { incl_mid });
  const pin = (token: TokenInfo) => {
    const without = pins.filter((id) => id !== token.id);
    const added = without.length < pins.length ? without : [...pins, token.id].slice(-MAX_PINS);
    flush(() => {
      pinned.value = added;
    });
  };
  const pick = (name: string) => {
    const index = result?.stages.indexOf(name) ?? -1;
    flush(() => setStage(name));
    if (result && index >= 0) session.select({ layer: result.layers[index] ?? 0 });
  };
  return (
    <ViewFrame
      handle={handle}
      title="Logit lens"
      compact={compact}
      controls={<Controls session={session} />}
      takeaway={{ csv, code }}
    >
      <div ref={body} class="lw-lens">
        {result && window && (
          <>
            <div class="lw-lens-bar-top">
              <Legend result={result} window={window} color={color} />
              <Pager
                start={window.start}
                count={window.count}
                length={length}
                onStart={(to) => setStart(to)}
              />
            </div>
            <Grid
              result={result}
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
        <div class="lw-lens-parts">
          <CellCard
            handle={handle}
            loaded={cell}
            changed={changed}
            words={(at) => `${at} ${result?.tokens.tokens[at]?.text ?? ""}`}
            pins={pins}
            onPin={pin}
          />
          <Paths
            loaded={path}
            show={show}
            changed={changed}
            stage={stage}
            pins={pins}
            onUnpin={pin}
            onPick={pick}
          />
          <Lines loaded={lines} show={show} changed={changed} stage={stage} onPick={pick} />
        </div>
        {lines.result && (
          <p class="lw-lens-note">
            {lines.result.definition}
            {scope === "mean" && lines.result.summary.n_prompts > 1
              ? ` Bands: standard error over ${lines.result.summary.n_prompts} prompts.`
              : ""}
          </p>
        )}
      </div>
    </ViewFrame>
  );
}

/** The chosen stage; a layer that is selected elsewhere brings its own last stage. */
function useStage(layer: number, result: LensResult | null) {
  const [stage, setStage] = useState(FINAL);
  const seen = useRef(layer);
  useLayoutEffect(() => {
    if (seen.current === layer || !result) return;
    seen.current = layer;
    const own = result.stages.indexOf(stage);
    if (result.layers[own] === layer) return;
    const stages = result.stages.filter((name, i) => result.layers[i] === layer && name !== FINAL);
    setStage(stages.at(-1) ?? FINAL);
  }, [layer, result]);
  // Stages between attention and MLP can be switched off while one is chosen.
  const known = !result || result.stages.includes(stage);
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
