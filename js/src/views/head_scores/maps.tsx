import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { fixed, headLabel, parseHead } from "../../core/draw/format";
import type { HeadMap } from "../../core/parts/heads/map";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { type RankedItem, RankedList } from "../../core/parts/ranked/ranked";
import { Button } from "../../core/parts/ui";
import type { Dataset } from "../../core/state/dataset";
import type { ViewHandle } from "../../core/state/handle";
import type { HeadRef } from "../../core/state/session";
import { stripeKind } from "../../core/state/stripes";
import type { Scores } from "../../generated/head_scores";
import { columnsFor } from "./layout";
import { listedOf, type NamedHead, namedHeads } from "./named";

/** Selects a head everywhere and outlines its stripe; once more takes the outline away. */
export function pickStripe({ session }: ViewHandle, picked: HeadRef, kind: string): void {
  const { layer, head, stripe } = session.selection.peek();
  const again = layer === picked.layer && head === picked.head && stripe === kind;
  session.select({ ...picked, stripe: again ? null : stripeKind(kind) });
}

/**
 * A map for each kind of score, on one scale, and below it the heads that have the most of it; or the
 * sentence that says why there is none.
 */
export function ScoreMaps(props: {
  view: ViewHandle;
  scores: Dataset<Scores>;
  common: HeadMap;
  /** The score from which heads are listed. */
  threshold: number;
}): JSX.Element {
  const { view, scores, common, threshold } = props;
  const kinds = scores.texts("kind");
  const size = common.rows.length * common.cols.length;
  const split = (all: Float32Array) => kinds.map((_, i) => all.subarray(i * size, (i + 1) * size));
  const maps = useMemo(() => split(scores.numbers("current")), [scores, size]);
  const spreads = useMemo(() => split(scores.numbers("sem")), [scores, size]);
  const ramp = useRamp(maps, { scale: "sequential", hi: 1 });
  const { layer, head, stripe } = view.session.selection.value;
  const shown = stripe ?? null;
  const heads = common.cols.length;
  const named = useMemo(
    () => namedHeads(scores.numbers("current"), kinds, heads, threshold),
    [scores, heads, threshold],
  );
  const [whole, setWhole] = useState<ReadonlySet<string>>(new Set());
  const room = useRef<HTMLElement>(null);
  const columns = columnsFor(kinds.length, useSize(room).width, heads);
  const item = ({ kind, layer: l, head: h, value }: NamedHead) => {
    const name = headLabel(l, h);
    const at = (kinds.indexOf(kind) * common.rows.length + l) * heads + h;
    const before = scores.numbers("baseline")[at];
    return {
      id: `${name} ${kind}`,
      text: name,
      value,
      error: scores.numbers("sem")[at],
      title: `${kind} score ${fixed(value, 4)}; baseline ${fixed(before, 4)}; a click outlines the stripe`,
      selected: l === layer && h === head && (stripe ?? kind) === kind,
      attributes: { "data-head": name, "data-kind": kind },
    };
  };
  return (
    <section aria-label="scores" ref={room}>
      <MapLegend ramp={ramp} kind="sequential" units={scores.attrs.units} />
      <div
        class="lw-score-maps"
        style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}
      >
        {kinds.map((kind, i) => (
          <div key={kind} data-kind={kind} title={scores.texts("definition")[i]}>
            <div class="lw-map-title">
              {kind}
              {kind === shown && <span class="lw-outlined"> outlined</span>}
            </div>
            {scores.texts("missing")[i] ? (
              <p class="lw-said">{scores.texts("missing")[i]}</p>
            ) : (
              <>
                <HeatMap
                  {...common}
                  label={`${kind} scores, ${scores.attrs.units}, layers by heads`}
                  values={maps[i] ?? null}
                  errors={spreads[i] ?? null}
                  ramp={ramp}
                  units=""
                  numbers={0}
                  onSelect={(_, clicked) => {
                    if (clicked) pickStripe(view, { layer: clicked.row, head: clicked.col }, kind);
                  }}
                />
                <KindList
                  kind={kind}
                  threshold={threshold}
                  {...listedOf(named, kind, whole.has(kind))}
                  item={item}
                  onMore={() => setWhole(new Set([...whole, kind]))}
                  onPick={(picked) => pickStripe(view, picked, kind)}
                />
              </>
            )}
          </div>
        ))}
      </div>
    </section>
  );
}

/** The heads of one kind, highest first. */
function KindList(props: {
  kind: string;
  threshold: number;
  heads: readonly NamedHead[];
  more: number;
  item: (head: NamedHead) => RankedItem;
  onMore: () => void;
  onPick: (head: HeadRef) => void;
}): JSX.Element {
  const { kind, threshold, heads, more, item, onMore, onPick } = props;
  if (heads.length === 0) return <p class="lw-said">none from {fixed(threshold)}</p>;
  return (
    <>
      <RankedList
        title={`${kind}, from ${fixed(threshold)}`}
        hi={1}
        digits={3}
        plain
        items={heads.map(item)}
        onPick={({ text }) => {
          const picked = parseHead(text);
          if (picked) onPick(picked);
        }}
      />
      {more > 0 && (
        <Button label={`${more} more ${kind} heads`} onClick={onMore}>
          {more} more
        </Button>
      )}
    </>
  );
}
