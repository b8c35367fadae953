import type { Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useContext, useLayoutEffect } from "preact/hooks";
import { type FoundRoles, ROLE_NAMES, type Role, Roles } from "../../core/parts/heads/roles";
import { at } from "../../core/state/arrays";
import type { Dataset } from "../../core/state/dataset";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import { type Scores, scores } from "../../generated/head_scores";

const KINDS = ["previous", "induction", "duplicate"] as const;

/** Names heads by where they look without interventions, mean over prompts. Draws nothing itself. */
export function FindRoles(props: { view: ViewHandle; into: Signal<FoundRoles> }): null {
  const { view, into } = props;
  const { data } = useAnswer(view, scores, { prompt: null }, { quiet: true, on: "prompts" });
  const { n_layers: layers, n_heads: heads } = view.session.info.value;
  useLayoutEffect(() => {
    if (!data) return;
    flush(() => {
      into.value = rolesIn(data, layers, heads);
    });
  }, [data, layers, heads, into]);
  return null;
}

function rolesIn(data: Dataset<Scores>, layers: number, heads: number): FoundRoles {
  const kinds = data.texts("kind");
  const values = data.array("baseline");
  const found = new Map<string, Role>();
  for (const kind of KINDS) {
    const index = kinds.indexOf(kind);
    if (index < 0) continue;
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        const score = at(values, index, layer, head);
        const key = `${layer} ${head}`;
        if (score >= data.attrs.named_from && score > (found.get(key)?.score ?? 0)) {
          found.set(key, { kind, score });
        }
      }
    }
  }
  return found;
}

/** What the marks on thumbnails mean, and how many heads have each. */
export function RoleLegend(): JSX.Element {
  const counts = new Map<string, number>();
  for (const { kind } of useContext(Roles).value.values()) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return (
    <p class="lw-roles" title="named by their mean weight there, which each head tells on hover">
      {KINDS.filter((kind) => counts.has(kind)).map((kind) => (
        <span key={kind}>
          <span class="lw-role-mark" data-mark={kind} aria-hidden="true" />
          {ROLE_NAMES[kind]} <span class="lw-num">{counts.get(kind)}</span>
        </span>
      ))}
    </p>
  );
}
