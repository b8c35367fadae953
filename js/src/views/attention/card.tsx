import type { JSX } from "preact";
import type { Ramp } from "../../core/canvas";
import { headLabel } from "../../core/format";
import type { ViewHandle } from "../../core/handle";
import type { HeadRef } from "../../core/session";
import { Button, ColorBar, Segmented } from "../../core/ui";
import { CardHead } from "../../core/view";
import type { Options, TokenInfo } from "../../generated/protocol";
import { useTexts } from "./data";
import { useExactCell } from "./lines";
import type { Picture } from "./picture";
import { PatternPlot } from "./plot";
import { Readout } from "./readout";
import type { AttentionState } from "./state";
import { ZOOM_FROM, zoomBy } from "./zoom";

const SHOW = [
  { value: "baseline", label: "baseline", title: "without interventions" },
  { value: "current", label: "current", title: "with the active interventions" },
  { value: "difference", label: "difference", title: "current minus baseline" },
] as const;

interface PatternCardProps {
  view: ViewHandle;
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

/** One head large, or two beside each other, with the scale and the weight under the cursor. */
export function PatternCard(props: PatternCardProps): JSX.Element {
  const { view, state, which, ramp, head, isPreview, picture, compared, tokens, prompt } = props;
  const { session } = view;
  const texts = useTexts(tokens);
  const option = session.option("show");
  const solo = state.solo.value;
  const maxSide = solo ? 780 : 620;
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
            {texts.length > ZOOM_FROM && <ZoomButtons state={state} count={texts.length} />}
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
          <PatternPlot {...common} head={head} picture={picture} named={compared !== null} />
          {compared && (
            <PatternPlot {...common} head={compared} picture={props.comparedPicture} named />
          )}
        </div>
        <footer class="lw-pattern-foot">
          <ColorBar
            lo={difference ? -ramp.hi : 0}
            hi={ramp.hi}
            unit={difference ? "Δ attention" : "attention"}
            scale={difference ? "diverging" : "sequential"}
          />
          <span class="lw-readouts">
            <Readout
              {...readout}
              {...main}
              label={compared && headLabel(head.layer, head.head)}
              hint="hover a cell for its weight"
            />
            {compared && (
              <Readout
                {...readout}
                {...second}
                label={headLabel(compared.layer, compared.head)}
                hint=""
              />
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
