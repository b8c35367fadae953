import { type Signal, signal } from "@preact/signals";
import type { JSX } from "preact";
import { signed } from "../../core/draw/format";
import { Button } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { ViewSession } from "../../core/state/session";
import * as ask from "../../generated/circuit";

/** Nodes under one name. */
export interface Group {
  name: string;
  nodes: ReadonlySet<string>;
  toggle: (node: string) => void;
  rename: (name: string) => void;
  clear: () => void;
}

interface Kept {
  name: Signal<string>;
  nodes: Signal<readonly string[]>;
}

/** For as long as the page lives: another tab of the explorer may be looked at meanwhile. */
const kept = new WeakMap<ViewSession, Kept>();

export function useGroup(session: ViewSession): Group {
  const { name, nodes } = keptFor(session);
  return {
    name: name.value,
    nodes: new Set(nodes.value),
    toggle(node) {
      const held = nodes.peek();
      nodes.value = held.includes(node) ? held.filter((one) => one !== node) : [...held, node];
    },
    rename(next) {
      name.value = next;
    },
    clear() {
      nodes.value = [];
    },
  };
}

function keptFor(session: ViewSession): Kept {
  const known = kept.get(session);
  if (known) return known;
  const made = { name: signal("group"), nodes: signal<readonly string[]>([]) };
  kept.set(session, made);
  return made;
}

/** A group's name, its members, and what they do together. */
export function GroupCard(props: {
  view: ViewHandle;
  group: Group;
  kind: NonNullable<(typeof ask.group)["args"]>["cut_kind"];
}): JSX.Element | null {
  const { view, group, kind } = props;
  const nodes = [...group.nodes];
  const args = nodes.length > 0 ? { cut_kind: kind, nodes } : null;
  const { data, stale } = useAnswer(view, ask.group, args);
  if (nodes.length === 0) return null;
  const told = stale ? null : data?.attrs;
  return (
    <section class="lw-circuit-chosen" aria-label="the group" data-group={nodes.join(" ")}>
      <p>
        <input
          class="lw-circuit-name"
          aria-label="name of the group"
          value={group.name}
          maxLength={40}
          onInput={(event) => {
            const { value } = event.currentTarget;
            flush(() => group.rename(value));
          }}
        />
        <span class="lw-mono">{nodes.join(" ")}</span>
        <Button label="dissolve" onClick={group.clear} />
      </p>
      <p class="lw-num" data-change={told?.change ?? ""} title={told?.definition}>
        all their edges cut: <b>{told ? signed(told.change, 3) : "…"}</b> {told?.units}
        {told && nodes.length > 1 && (
          <span class="lw-muted">; one by one {signed(told.apart, 3)} in sum</span>
        )}
      </p>
    </section>
  );
}
