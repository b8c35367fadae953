import type { FunctionComponent, JSX } from "preact";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { askCode } from "../../core/export/code";
import { datasetCsv } from "../../core/export/csv";
import { Takeaway } from "../../core/parts/export_menu";
import { AlertBox } from "../../core/parts/status";
import {
  CardHead,
  type Draw,
  Header,
  type PanelProps,
  SessionMetric,
  useView,
  ViewRoot,
} from "../../core/parts/view";
import { flush } from "../../core/state/flush";
import { useAnswer } from "../../core/state/resource";
import { useLastKnown, usePromptTokens } from "../../core/state/tokens";
import * as ask from "../../generated/attention";
import type { TokenInfo } from "../../generated/session";
import { PatternCard } from "./card";
import { NO_REPLY, usePicture } from "./data";
import { Thumbnails } from "./heads";
import { patternArgs } from "./kind";
import { headsRoom, shownPart, wholeView } from "./layout";
import { pictureOf, readSheet } from "./picture";
import { isInside } from "./range";
import { scaleKind, useScales } from "./scale";
import { AttentionState, same } from "./state";
import type { StripProps } from "./strip";
import { useStripe } from "./stripe";

const NO_TOKENS: readonly TokenInfo[] = [];
const NO_TEXTS: readonly string[] = [];

function Hint(): JSX.Element {
  return <span class="lw-muted lw-hint">click keeps it · shift-click compares</span>;
}

/** What stands in the heads' card besides: beside its title, and below the thumbnails. */
interface HeadsCard {
  /** The prompt, shaded by the pattern; the explorer has a strip of tokens above. */
  Strip?: FunctionComponent<StripProps>;
  headsTools?: Draw | undefined;
  legend?: Draw;
}

/** All heads as thumbnails and one of them large, for one prompt. */
export function AttentionPanel(props: PanelProps & HeadsCard): JSX.Element {
  const { session, compact } = props;
  const view = useView("attention", props);
  const state = useMemo(() => new AttentionState(), []);
  const { layer, head, prompt, writer_layer, writer_head } = session.selection.value;
  const selected = useMemo(() => ({ layer, head }), [layer, head]);
  // Of a pair that another view has chosen both are looked at, side by side.
  useLayoutEffect(() => {
    if (typeof writer_layer !== "number" || typeof writer_head !== "number") return;
    const writer = { layer: writer_layer, head: writer_head };
    if (!same(writer, selected)) state.compare.value = writer;
  }, [state, writer_layer, writer_head, selected]);
  const which = session.option(ask.OPTIONS.show).value;
  const mode = session.option(ask.OPTIONS.attention_mode).value;
  const average = session.option(ask.OPTIONS.head_average).value;

  const known = usePromptTokens(view, prompt);
  const { data, args } = useAnswer(view, ask.patterns, {
    prompt,
    show: which,
    attention_mode: mode,
  });
  const sheet = useLastKnown(useMemo(() => readSheet({ data, args }, known), [data, args, known]));
  const tokens = sheet?.tokens.list ?? NO_TOKENS;
  const texts = sheet?.tokens.texts ?? NO_TEXTS;
  const wanted = useMemo(() => ({ which, mode, average }), [which, mode, average]);
  // What is on screen, until the answer to a newly chosen mode is there.
  const kind = useMemo(
    () => (sheet ? { ...wanted, which: sheet.which, mode: sheet.mode } : wanted),
    [wanted, sheet?.which, sheet?.mode],
  );
  const hasBos = sheet?.tokens.attrs.bos ?? false;
  const skipBos = session.setting("skip_bos").value && hasBos;
  const by = scaleKind(session.option(ask.OPTIONS.pattern_scale).value, tokens.length);
  const scales = useScales(kind, sheet, skipBos, by);

  // The average over everything is of no head that could be put beside it.
  const compared = average === "none" ? state.compare.value : null;
  const held = state.zoom.value;
  const zoom = useMemo(() => shownPart(held, tokens.length), [held, tokens.length]);
  // Of a zoom that is left, or of a longer prompt, the square is of no use any more.
  const asked = state.square.value;
  const square = zoom && isInside(asked, wholeView(tokens.length)) ? asked : null;
  const main = usePicture(view, "pattern", selected, prompt, wanted, kind, sheet, square);
  const second = usePicture(view, "compare", compared, prompt, wanted, kind, sheet, square);

  const shownPrompt = sheet?.tokens.prompt ?? prompt;
  const stripe = useStripe(view, shownPrompt);
  const previewed = state.locked.value ? null : session.preview.value;
  const preview = same(previewed, selected) ? null : previewed;
  const shown = preview ?? selected;
  const previewPicture = useMemo(
    () => preview && pictureOf(preview, kind, sheet, NO_REPLY),
    [preview, kind, sheet],
  );
  const picture = preview ? previewPicture : main;

  const onShow = by === "auto" ? zoom : null;
  const ramp = useMemo(
    () => scales.plot(onShow, picture, compared ? second : null),
    [scales, onShow, picture, compared ? second : null],
  );
  const code = () => askCode(view, ask.code, patternArgs(prompt, wanted, selected));
  const exact = main?.exact ? main.answer : null;
  const names = { query_pos: texts, key_pos: texts };
  const takeaway = exact ? { code, csv: () => datasetCsv(exact, { names }) } : { code };
  const common = { view, state, kind, skipBos };
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
          <SessionMetric view={view} />
          <Header
            handle={view}
            title="Attention"
            pager
            end={<Takeaway handle={view} {...takeaway} />}
          />
        </section>
      )}
      <div class="lw-attention-cards">
        <section class="lw-card lw-heads-card">
          <CardHead
            handle={view}
            title="Heads"
            quiet={!compact}
            controls={props.headsTools?.() ?? <Hint />}
          />
          <AlertBox handle={view} />
          <div class="lw-body">
            <Thumbnails
              {...common}
              scales={scales}
              patterns={sheet?.patterns ?? null}
              pool={sheet?.pool ?? 1}
              tokens={texts}
              compact={compact}
            />
            {props.legend?.()}
            {props.Strip && (
              <props.Strip
                {...common}
                {...{ ramp, picture, tokens }}
                prompt={shownPrompt}
                head={shown}
                isPreview={preview !== null}
              />
            )}
          </div>
        </section>
        <PatternCard
          {...common}
          ramp={ramp}
          by={by}
          zoom={zoom}
          hasBos={hasBos}
          definition={sheet?.definition ?? ""}
          head={shown}
          isPreview={preview !== null}
          picture={picture}
          compared={compared}
          comparedPicture={second}
          texts={texts}
          prompt={shownPrompt}
          stripe={stripe}
          end={compact ? () => <Takeaway handle={view} {...takeaway} /> : null}
        />
      </div>
    </ViewRoot>
  );
}
