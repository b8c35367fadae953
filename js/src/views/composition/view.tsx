import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { askCode } from "../../core/export/code";
import type { PanelProps } from "../../core/parts/mount";
import { FlagButtons, OptionButtons } from "../../core/parts/options";
import { useView, ViewFrame } from "../../core/parts/view";
import * as ask from "../../generated/composition";
import { AllPairs } from "./all_pairs";
import { ByLayers } from "./by_layers";
import { arrangement, reservedHeight } from "./layout";

const KINDS = [
  { value: "K", label: "K", title: "the later head's keys read what the earlier one wrote" },
  { value: "Q", label: "Q", title: "its queries read it" },
  { value: "V", label: "V", title: "its values read it: a virtual head" },
] as const;
const SUBTRACT = [
  { value: "above", label: "above random", title: "less the score of random matrices" },
  { value: "plain", label: "ratio", title: "the ratio of norms by itself" },
] as const;

/** How much of what each head writes each later head can read, by their weights alone. */
export function CompositionPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("composition", { session, rpc });
  const kind = session.option(ask.OPTIONS.composition);
  const subtract = session.option(ask.OPTIONS.subtract_random);
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const body = useRef<HTMLDivElement>(null);
  const { width } = useSize(body);
  const csv = useRef<() => string | null>(() => null);
  const chosen = { composition: kind.value, subtract_random: subtract.value };
  const sources = Math.max(1, layers - 1);
  // Not before the room is known: what is asked depends on it.
  const how = width > 0 ? arrangement(width, sources, heads) : null;
  const Shown = how?.shows === "layers" ? ByLayers : AllPairs;

  const controls = (
    <>
      <OptionButtons label="composition" of={kind} choices={KINDS} />
      <FlagButtons label="baseline" of={subtract} choices={SUBTRACT} on="above" />
    </>
  );
  return (
    <ViewFrame
      handle={handle}
      title="Composition"
      controls={controls}
      compact={compact}
      pager={false}
      metric={false}
      takeaway={{
        csv: () => csv.current(),
        code: () => askCode(handle, ask.code, chosen),
      }}
      reserve={(w) => reservedHeight(w - 24, sources, heads)}
    >
      <div ref={body}>
        {how && (
          <Shown view={handle} chosen={chosen} width={width} stacked={how.stacked} csv={csv} />
        )}
      </div>
    </ViewFrame>
  );
}
