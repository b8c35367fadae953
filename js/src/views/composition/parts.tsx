import type { JSX, RefObject } from "preact";
import { fixed, headLabel, parseHead } from "../../core/draw/format";
import { Formula } from "../../core/parts/formula";
import { RankedList } from "../../core/parts/ranked/ranked";
import type { ViewHandle } from "../../core/state/handle";
import type { HeadRef, ViewSession } from "../../core/state/session";
import type { Composition } from "../../generated/composition";
import type { Pair } from "./pairs";

export interface ShownProps {
  view: ViewHandle;
  chosen: { composition: "Q" | "K" | "V"; subtract_random: boolean };
  width: number;
  /** The list is below the map. */
  stacked: boolean;
  /** What "copy CSV" takes. */
  csv: RefObject<() => string | null>;
}

/** Selects a writer and the head that reads it, everywhere; null lets go. */
export function choosePair(
  session: ViewSession,
  writer: HeadRef | null,
  reader: HeadRef | null,
): void {
  session.select({
    ...(reader ?? {}),
    writer_layer: writer?.layer ?? null,
    writer_head: writer?.head ?? null,
  });
}

/** The chosen pair; null while no writer is chosen. */
export function chosenPair(session: ViewSession): { writer: HeadRef; reader: HeadRef } | null {
  const { layer, head, writer_layer, writer_head } = session.selection.value;
  if (typeof writer_layer !== "number" || typeof writer_head !== "number") return null;
  return { writer: { layer: writer_layer, head: writer_head }, reader: { layer, head } };
}

/** The strongest pairs; a click selects both heads and shows where they are. */
export function PairList(props: {
  session: ViewSession;
  kind: string;
  pairs: readonly Pair[];
  hi: number;
  plain: boolean;
}): JSX.Element {
  const { session, kind, pairs, hi, plain } = props;
  const chosen = chosenPair(session);
  const now = chosen && `${label(chosen.writer)} ${label(chosen.reader)}`;
  return (
    <RankedList
      title={`strongest ${kind}-composition`}
      hi={hi}
      plain={plain}
      digits={4}
      items={pairs.map(({ writer, reader, value }) => {
        const names = [label(writer), label(reader)] as const;
        return {
          id: names.join(" "),
          text: names.join(" → "),
          value,
          selected: names.join(" ") === now,
          attributes: { "data-writer": names[0], "data-head": names[1] },
        };
      })}
      onPick={(item) => {
        const [writer, reader] = item.id.split(" ").map(parseHead);
        if (writer && reader) choosePair(session, writer, reader);
      }}
    />
  );
}

function label({ layer, head }: HeadRef): string {
  return headLabel(layer, head);
}

/** The definition of the scores, and what random matrices have. */
export function Definition({ said }: { said: Composition["attrs"] | null }): JSX.Element {
  return (
    <p class="lw-said">
      {said && <Formula text={`${said.definition}; ${said.weights} weights, norms left out.`} />}{" "}
      {said && (
        <span
          class="lw-num"
          data-random={said.random}
          data-random-spread={said.random_spread}
          title={`random Gaussian matrices of the same shapes, ${said.random_seeds} seeds`}
        >
          Random: {fixed(said.random, 4)} ± {fixed(said.random_spread, 4)}
        </span>
      )}
    </p>
  );
}
