import type { JSX } from "preact";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { FlagButtons, OptionButtons, SCOPES } from "../../core/parts/options";
import { ColorBar } from "../../core/parts/ui";
import type { ViewSession } from "../../core/state/session";
import { OPTIONS } from "../../generated/logit_lens";
import { type LensColor, type LensWindow, shading } from "./data";

const SHOW = [
  { value: "baseline", label: "baseline" },
  { value: "current", label: "current" },
  { value: "difference", label: "difference", title: "current minus baseline" },
] as const;
const COLORS = [
  { value: "prob", label: "probability", title: "of the likeliest token" },
  { value: "rank", label: "rank", title: "of the target, 0 is first" },
  { value: "kl", label: "KL", title: "from the final distribution, in nats" },
] as const;
const TARGETS = [
  {
    value: "auto",
    label: "answer or next",
    title: "the answer where there are answers, else the next token",
  },
  { value: "answer", label: "answer", title: "rank of the correct answer" },
  { value: "next", label: "next token", title: "rank of the true next token" },
] as const;
const ORDERS = [
  { value: "last_on_top", label: "end on top", title: "the last stage on top" },
  { value: "first_on_top", label: "start on top", title: "the first stage on top" },
] as const;
const STAGES = [
  { value: "all", label: "all stages", title: "also between attention and MLP" },
  { value: "layers", label: "layers only", title: "between layers only" },
] as const;

/** Which run, what colours, whose rank, which way up, which stages. */
export function Controls({ session }: { session: ViewSession }): JSX.Element {
  return (
    <>
      <OptionButtons label="run" of={session.option(OPTIONS.show)} choices={SHOW} />
      <OptionButtons label="colour by" of={session.option(OPTIONS.lens_color)} choices={COLORS} />
      <OptionButtons label="target" of={session.option(OPTIONS.lens_target)} choices={TARGETS} />
      <OptionButtons
        label="order of stages"
        of={session.option(OPTIONS.lens_order)}
        choices={ORDERS}
      />
      <FlagButtons label="stages" of={session.option(OPTIONS.incl_mid)} choices={STAGES} on="all" />
      <OptionButtons label="lines" of={session.setting("prompt_scope")} choices={SCOPES} />
    </>
  );
}

/** What the colours of the grid mean. */
export function Legend(props: { window: LensWindow; color: LensColor }): JSX.Element {
  const { window, color } = props;
  const shade = shading(window, color);
  const ramp = useRamp([shade.colors ?? shade.values], {
    scale: shade.kind,
    ...(shade.hi === undefined ? {} : { hi: shade.hi }),
    of: color,
  });
  const what =
    color === "prob"
      ? "of the likeliest token"
      : color === "rank"
        ? `of ${window.target}`
        : "from the final distribution";
  if (color === "rank" && window.show !== "difference") {
    const last = window.dVocab - 1;
    return (
      <span class="lw-lens-legend" role="img" aria-label={`colour scale, rank ${last} to rank 0`}>
        <span class="lw-colorbar-ramp" style={{ background: ramp.scale.gradient }} />
        rank {last} – 0 {what}, log scale
      </span>
    );
  }
  const unit = color === "rank" ? "log₁₀ of ranks gained, blue nearer to first," : shade.units;
  return (
    <span class="lw-lens-legend">
      <ColorBar lo={ramp.scale.signed ? -ramp.hi : 0} hi={ramp.hi} unit={unit} scale={shade.kind} />
      {what}
    </span>
  );
}
