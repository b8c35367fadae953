import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { decode, maxAbs } from "../../core/arrays";
import type { Ramp } from "../../core/canvas";
import { palette } from "../../core/color";
import { flush } from "../../core/flush";
import { headLabel, niceCeil } from "../../core/format";
import { useResource } from "../../core/resource";
import type { HeadRef } from "../../core/session";
import { AlertBox } from "../../core/status";
import { useTheme } from "../../core/theme";
import { Button, ColorBar, Segmented } from "../../core/ui";
import { CardHead, Header, type PanelProps, useView, ViewRoot } from "../../core/view";
import type { Options, TokenInfo } from "../../generated/protocol";
import { HeadGrid } from "./heads";
import { useExactCell } from "./lines";
import { type Picture, pictureOf, readSheet, type Sheet } from "./picture";
import { PatternPlot } from "./plot";
import { Readout } from "./readout";
import { AttentionState, same } from "./state";
import { TokenStrip } from "./strip";
import { ZOOM_FROM, zoomBy } from "./zoom";

const SHOW = [
  { value: "baseline", label: "baseline", title: "without interventions" },
  { value: "current", label: "current", title: "with the active interventions" },
  { value: "difference", label: "difference", title: "current minus baseline" },
] as const;

const NO_TOKENS: readonly TokenInfo[] = [];

/** All heads as thumbnails and one of them large, for one prompt. */
export function AttentionPanel(props: PanelProps): JSX.Element {
  const { session, compact } = props;
  const view = useView("attention", props);
  const state = useMemo(() => new AttentionState(), []);
  const { layer, head, prompt } = session.selection.value;
  const selected = useMemo(() => ({ layer, head }), [layer, head]);
  const which = session.option("show").value;

  const patterns = useResource(view, "patterns", "patterns", { prompt, which });
  const sheet = useMemo(() => readSheet(patterns), [patterns.result, patterns.buffers]);
  const tokens = patterns.result?.tokens.tokens ?? NO_TOKENS;
  const texts = useTexts(tokens);
  const ramp = useRamp(which, sheet);

  const compared = state.compare.value;
  const main = usePicture(view, "pattern", selected, prompt, which, sheet);
  const second = usePicture(view, "compare", compared, prompt, which, sheet);

  const previewed = state.locked.value ? null : session.preview.value;
  const preview = same(previewed, selected) ? null : previewed;
  const shown = preview ?? selected;
  const previewPicture = useMemo(
    () => preview && pictureOf(preview, prompt, which, sheet, NO_REPLY),
    [preview, prompt, which, sheet],
  );
  const picture = preview ? previewPicture : main;

  const common = { view, state, which, ramp };
  return (
    <ViewRoot
      handle={view}
      attributes={{
        "data-locked": String(state.locked.value),
        "data-solo": String(state.solo.value),
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        flush(() => state.clear(session));
      }}
    >
      {!compact && (
        <section class="lw-card lw-only-head">
          <Header handle={view} title="Attention" />
        </section>
      )}
      <div class="lw-attention-cards">
        <section class="lw-card lw-heads-card">
          <CardHead
            handle={view}
            title="Heads"
            quiet={!compact}
            controls={<span class="lw-muted lw-hint">click locks · shift-click compares</span>}
          />
          <AlertBox handle={view} />
          <div class="lw-body">
            <HeadGrid
              {...common}
              patterns={sheet?.patterns ?? null}
              pool={sheet?.pool ?? 1}
              tokens={texts}
            />
            <TokenStrip {...common} head={shown} picture={picture} tokens={tokens} />
          </div>
        </section>
        <PatternCard
          {...common}
          head={shown}
          isPreview={preview !== null}
          picture={picture}
          compared={compared}
          comparedPicture={second}
          tokens={tokens}
          prompt={prompt}
        />
      </div>
    </ViewRoot>
  );
}

interface PatternCardProps {
  view: ReturnType<typeof useView>;
  state: AttentionState;
  which: Options["show"];
  ramp: Ramp;
  head: HeadRef;
  isPreview: boolean;
  picture: Picture | null;
  compared: HeadRef | null;
  comparedPicture: Picture | null;
  tokens: readonly TokenInfo[];
  prompt: number;
}

function PatternCard(props: PatternCardProps): JSX.Element {
  const { view, state, which, ramp, head, isPreview, picture, compared, tokens, prompt } = props;
  const { session } = view;
  const texts = useTexts(tokens);
  const option = session.option("show");
  const solo = state.solo.value;
  const maxSide = solo ? 900 : 620;
  const common = { view, state, which, ramp, tokens: texts, maxSide };
  const badge = isPreview ? "preview" : state.locked.value ? "locked" : "";

  const hover = state.hover.value;
  const { query_pos, key_pos } = session.selection.value;
  const at = hover ?? { q: query_pos, k: key_pos };
  const main = useExactCell(view, "lines", head, prompt, which, picture, at, isPreview);
  const second = useExactCell(
    view,
    "lines2",
    compared,
    prompt,
    which,
    props.comparedPicture,
    at,
    false,
  );
  const difference = which === "difference";
  const readout = { tokens: texts, at, difference };
  return (
    <section class="lw-card lw-pattern-card" data-preview={isPreview}>
      <CardHead
        handle={view}
        quiet
        title={
          <>
            <span class="lw-mono">{headLabel(head.layer, head.head)}</span>
            {compared && (
              <span class="lw-muted"> and {headLabel(compared.layer, compared.head)}</span>
            )}
            <span class="lw-badge" data-badge={badge}>
              {badge}
            </span>
          </>
        }
        controls={
          <>
            {solo && (
              <Button
                label="all heads"
                title="show the thumbnails again"
                onClick={() => {
                  state.solo.value = false;
                }}
              />
            )}
            <Segmented
              label="show"
              options={SHOW}
              value={which}
              onChange={(value) => {
                option.value = value;
              }}
            />
          </>
        }
      />
      <div class="lw-body">
        <div class="lw-plots">
          <PatternPlot {...common} head={head} picture={picture} />
          {compared && <PatternPlot {...common} head={compared} picture={props.comparedPicture} />}
        </div>
        <footer class="lw-pattern-foot">
          <ColorBar
            lo={difference ? -ramp.hi : 0}
            hi={ramp.hi}
            unit={difference ? "change of attention" : "attention"}
            scale={difference ? "diverging" : "sequential"}
          />
          {texts.length > ZOOM_FROM && <ZoomButtons state={state} count={texts.length} />}
          <span class="lw-readouts">
            <Readout {...readout} {...main} label={compared && headLabel(head.layer, head.head)} />
            {compared && (
              <Readout {...readout} {...second} label={headLabel(compared.layer, compared.head)} />
            )}
          </span>
        </footer>
      </div>
    </section>
  );
}

function ZoomButtons({ state, count }: { state: AttentionState; count: number }): JSX.Element {
  return (
    <span class="lw-zoom">
      <Button label="zoom out" onClick={() => zoomBy(state, count, 1 / 1.6)}>
        −
      </Button>
      <Button label="zoom in" onClick={() => zoomBy(state, count, 1.6)}>
        +
      </Button>
      <Button
        label="whole pattern"
        disabled={state.zoom.value === null}
        onClick={() => {
          state.zoom.value = null;
        }}
      >
        fit
      </Button>
    </span>
  );
}

const NO_REPLY = {
  resource: {
    result: null,
    buffers: [],
    args: null,
    seq: 0,
    stale: false,
    partial: false,
    error: null,
  },
  values: null,
};

/** Asks for a head's exact pattern and answers with the best that is known of it meanwhile. */
function usePicture(
  view: ReturnType<typeof useView>,
  slot: string,
  head: HeadRef | null,
  prompt: number,
  which: Options["show"],
  sheet: Sheet | null,
): Picture | null {
  const args = head && { prompt, which, ...head };
  const resource = useResource(view, slot, "pattern", args);
  const { result, buffers } = resource;
  const values = useMemo(() => result && decode(result.pattern, buffers), [result, buffers]);
  // `resource` is a new object at every rendering; `result` and `args` stand for what it holds.
  return useMemo(
    () => head && pictureOf(head, prompt, which, sheet, { resource, values }),
    [head?.layer, head?.head, prompt, which, sheet, result, values],
  );
}

function useTexts(tokens: readonly TokenInfo[]): readonly string[] {
  return useMemo(() => tokens.map(({ text }) => text), [tokens]);
}

/** Weights run from 0 to 1; differences get one symmetric scale for all heads. */
function useRamp(which: Options["show"], sheet: Sheet | null): Ramp {
  const theme = useTheme();
  const { sequential, diverging } = palette(theme);
  return useMemo(() => {
    if (which !== "difference") return { scale: sequential, hi: 1 };
    return { scale: diverging, hi: sheet ? niceCeil(maxAbs(sheet.patterns.data)) : 1 };
  }, [which, sheet, sequential, diverging]);
}
