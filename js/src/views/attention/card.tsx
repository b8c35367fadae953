import type { JSX } from "preact";
import { useContext, useMemo } from "preact/hooks";
import { isBeyond, type Ramp } from "../../core/draw/canvas";
import { headLabel } from "../../core/draw/format";
import { Columns } from "../../core/parts/columns";
import { ROLE_NAMES, Roles, rolesOf } from "../../core/parts/heads/roles";
import { Later } from "../../core/parts/later";
import { OptionButtons, OptionChoice, RUNS } from "../../core/parts/options";
import { Button, ColorBar, Switch } from "../../core/parts/ui";
import { CardHead, type Draw } from "../../core/parts/view";
import type { ViewHandle } from "../../core/state/handle";
import { isHeadAblated } from "../../core/state/interventions";
import type { HeadRef, ViewSession } from "../../core/state/session";
import { OPTIONS } from "../../generated/attention";
import { averageWords, isSigned, type Kind, shownName, unitOf } from "./kind";
import { LongPattern } from "./later_zoom";
import type { Zoom } from "./layout";
import { useWeight } from "./part";
import { type Picture, tilesOf } from "./picture";
import { PatternPlot } from "./plot";
import { Readout } from "./readout";
import { coloured, type ScaleKind } from "./scale";
import type { AttentionState } from "./state";
import { type Stripe, StripeChoice } from "./stripe";

const MODES = [
  { value: "pattern", label: "weights", title: "attention after the softmax" },
  {
    value: "value",
    label: "× value size",
    title: "weights times the norm of the value vector that they carry",
  },
  { value: "scores", label: "scores", title: "before the softmax" },
] as const;

const AVERAGES = [
  { value: "none", label: "head" },
  { value: "layer", label: "layer mean", title: "mean over the heads of the layer" },
  { value: "all", label: "all heads", title: "mean over all heads of all layers" },
] as const;

const SCALES = [
  { value: "fixed", label: "fixed scale", title: "weights from 0 to 1, the same for all heads" },
  { value: "auto", label: "automatic", title: "ends where the strong cells on show are" },
  { value: "root", label: "square root", title: "colours by the square root: weak cells show" },
] as const;

interface PatternCardProps {
  view: ViewHandle;
  state: AttentionState;
  kind: Kind;
  skipBos: boolean;
  hasBos: boolean;
  /** What the numbers are, in one sentence. */
  definition: string;
  ramp: Ramp;
  /** How its end was chosen. */
  by: ScaleKind;
  head: HeadRef;
  isPreview: boolean;
  picture: Picture | null;
  compared: HeadRef | null;
  comparedPicture: Picture | null;
  texts: readonly string[];
  prompt: number;
  /** The part that is zoomed into. */
  zoom: Zoom | null;
  stripe: Stripe | null;
  /** In the card's head, at its end. */
  end: Draw | null;
}

/** One head large, or two beside each other, with the scale and the weight under the cursor. */
export function PatternCard(props: PatternCardProps): JSX.Element {
  const { view, state, kind, skipBos, ramp, head, isPreview, picture, compared, stripe } = props;
  const { texts, prompt, zoom } = props;
  const { session } = view;
  const option = session.option(OPTIONS.show);
  const { n_layers, n_heads } = session.info.value;
  const solo = state.solo.value;
  const columns = useContext(Columns);
  const inColumn = columns !== null;
  const maxSide = columns ? columns.plot : solo ? 780 : 620;
  const common = { view, state, zoom, kind, skipBos, ramp, tokens: texts, maxSide, stripe };
  const runs = () => <OptionChoice label="show" of={option} choices={RUNS} />;
  const name = averageWords(kind.average, shownName(head, kind.average));
  const roles = useContext(Roles).value;
  const called = kind.average === "none" ? rolesOf(roles, head.layer, head.head) : [];
  const badge = isPreview ? "preview" : state.locked.value ? "chosen" : "";

  const hover = state.hover.value;
  const { query_pos, key_pos } = session.selection.value;
  const at = hover ?? { q: query_pos, k: key_pos };
  const { length } = texts;
  const main = useWeight(view, "cell", head, prompt, kind, picture, at, length, isPreview);
  const other = props.comparedPicture;
  const second = useWeight(view, "cell2", compared, prompt, kind, other, at, length, false);
  const readout = { tokens: texts, at, kind };
  const pictures = [picture, compared && other];
  return (
    <section class="lw-card lw-pattern-card" data-preview={isPreview}>
      <CardHead
        handle={view}
        quiet
        title={
          <>
            <span class={kind.average === "none" ? "lw-mono" : ""}>{name}</span>
            {compared && (
              <span class="lw-muted"> and {headLabel(compared.layer, compared.head)}</span>
            )}
            {kind.average === "none" && (
              <Switch
                label={`ablate ${headLabel(head.layer, head.head)}`}
                title="switch this head off"
                checked={isHeadAblated(session.changes.ablated.value, head.layer, head.head)}
                onToggle={() => session.toggleAblation(view, headLabel(head.layer, head.head))}
              />
            )}
            <span class="lw-badge" data-badge={badge}>
              {badge || called.map((role) => ROLE_NAMES[role.kind]).join(", ")}
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
            <LongPattern view={view} count={length}>
              {({ ZoomButtons }) => <ZoomButtons state={state} count={length} />}
            </LongPattern>
            {!inColumn && runs()}
          </>
        }
        end={props.end?.()}
      />
      <div class="lw-body">
        <Modes session={session} hasBos={props.hasBos} runs={inColumn ? runs : null} />
        <div class="lw-plots">
          <PatternPlot
            {...common}
            head={head}
            picture={picture}
            weight={main}
            named={compared !== null}
          />
          {compared && (
            <PatternPlot
              {...common}
              head={compared}
              picture={props.comparedPicture}
              weight={second}
              named
            />
          )}
        </div>
        <footer class="lw-pattern-foot">
          <PatternScale {...props} />
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
        <p class="lw-muted lw-pattern-note">
          {props.definition}
          {skipBos && " BOS has no colour."}
          {(skipBos || props.by === "auto") && " Each head has a scale of its own."}
          <LongPattern view={view} count={length}>
            {({ Rounded }) => (
              <Rounded
                {...{ state, pictures, zoom, isPreview }}
                count={length}
                live={session.connected.value}
              />
            )}
          </LongPattern>
        </p>
        {stripe && (
          <Later view={view} name="attention_stripe_caption" own={() => import("./stripe_caption")}>
            {({ StripeCaption }) => (
              <StripeCaption
                stripe={stripe}
                kind={kind}
                heads={compared ? [head, compared] : [head]}
                shape={{ layers: n_layers, heads: n_heads }}
                several={session.state.value.n_prompts > 1}
              />
            )}
          </Later>
        )}
      </div>
    </section>
  );
}

/** Where colours end, and what that is chosen by. */
function PatternScale(props: PatternCardProps): JSX.Element {
  const { kind, ramp, by, skipBos, picture, comparedPicture } = props;
  const option = props.view.session.option(OPTIONS.pattern_scale);
  const beyond = useMemo(
    () =>
      [picture, comparedPicture].some((one) =>
        tilesOf(one).some((tile) => coloured(tile, skipBos).some((value) => isBeyond(value, ramp))),
      ),
    [picture, comparedPicture, skipBos, ramp],
  );
  const signed = isSigned(kind);
  const chosen = {
    get value() {
      return by;
    },
    set value(next) {
      option.value = next;
    },
  };
  return (
    <span class="lw-pattern-scale" data-lw-scale={by} data-end={ramp.hi} data-beyond={beyond}>
      <ColorBar
        lo={signed ? -ramp.hi : 0}
        hi={ramp.hi}
        unit={`${beyond ? "and more, " : ""}${unitOf(kind)}`}
        scale={signed ? "diverging" : "sequential"}
      />
      <OptionChoice label="colour scale" of={chosen} choices={SCALES} compact />
    </span>
  );
}

function Modes(props: { session: ViewSession; hasBos: boolean; runs: Draw | null }): JSX.Element {
  const { session, hasBos, runs } = props;
  const mode = session.option(OPTIONS.attention_mode);
  const average = session.option(OPTIONS.head_average);
  const skip = session.setting("skip_bos");
  return (
    <div class="lw-pattern-modes">
      <OptionButtons label="what is shown of attention" of={mode} choices={MODES} />
      <OptionChoice label="average" of={average} choices={AVERAGES} />
      {runs?.()}
      <label
        class="lw-pattern-bos"
        title={hasBos ? "leave BOS out of the colours" : "this prompt has no BOS"}
      >
        <input
          type="checkbox"
          aria-label="leave BOS out of the colours"
          disabled={!hasBos}
          checked={skip.value && hasBos}
          onChange={(event) => {
            skip.value = event.currentTarget.checked;
          }}
        />
        without BOS
      </label>
      <StripeChoice session={session} />
    </div>
  );
}
