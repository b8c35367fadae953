import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { flush } from "../../core/flush";
import { useResource } from "../../core/resource";
import { AlertBox } from "../../core/status";
import { CardHead, Header, type PanelProps, useView, ViewRoot } from "../../core/view";
import type { TokenInfo } from "../../generated/protocol";
import { PatternCard } from "./card";
import { NO_REPLY, usePicture, useRamp, useTexts } from "./data";
import { HeadGrid } from "./heads";
import { headsRoom } from "./layout";
import { pictureOf, readSheet } from "./picture";
import { AttentionState, same } from "./state";
import { TokenStrip } from "./strip";

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
        style: `--lw-heads-room: ${headsRoom(session.info.value.n_heads)}px`,
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
              compact={compact}
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
