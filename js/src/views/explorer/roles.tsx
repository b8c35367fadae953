import type { Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useContext, useLayoutEffect } from "preact/hooks";
import { type FoundRoles, ROLE_NAMES, type Role, Roles } from "../../core/parts/heads/roles";
import { at } from "../../core/state/arrays";
import type { Dataset } from "../../core/state/dataset";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import { type Copies, copies, type Scores, scores } from "../../generated/head_scores";

const LOOKS = ["previous", "induction", "duplicate"] as const;
/** What each kind is named by. */
const NAMED_BY: readonly [Role["kind"], string][] = [
  ...LOOKS.map((kind): [Role["kind"], string] => [
    kind,
    "named by their mean weight there, which each head tells on hover",
  ]),
  [
    "copies",
    "copying score: attending to one of the answers' tokens (without answers, of the prompts'), the share that comes out among the 5 highest logits",
  ],
];

/**
 * Names heads by where they look and whether they copy, without interventions. Draws nothing itself: the
 * second takes seconds, and nobody waits for it.
 */
export function FindRoles(props: { view: ViewHandle; into: Signal<FoundRoles> }): null {
  const { view, into } = props;
  const once = { quiet: true, on: "prompts" } as const;
  const { data } = useAnswer(view, scores, { prompt: null }, once);
  const copied = useAnswer(view, copies, data ? {} : null, { ...once, sweep: true }).data;
  const { n_layers: layers, n_heads: heads } = view.session.info.value;
  useLayoutEffect(() => {
    if (!data) return;
    flush(() => {
      const found = new Map<string, Role[]>();
      addLooks(found, data, layers, heads);
      if (copied) addCopies(found, copied, layers, heads);
      into.value = found;
    });
  }, [data, copied, layers, heads, into]);
  return null;
}

type Found = Map<string, Role[]>;

/** Of where it looks, a head is called by the one it looks at most. */
function addLooks(found: Found, data: Dataset<Scores>, layers: number, heads: number): void {
  const kinds = data.texts("kind");
  const values = data.array("baseline");
  for (const kind of LOOKS) {
    const index = kinds.indexOf(kind);
    if (index < 0) continue;
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        const score = at(values, index, layer, head);
        const key = `${layer} ${head}`;
        if (score >= data.attrs.named_from && score > (found.get(key)?.[0]?.score ?? 0)) {
          found.set(key, [{ kind, score }]);
        }
      }
    }
  }
}

function addCopies(found: Found, data: Dataset<Copies>, layers: number, heads: number): void {
  const values = data.array("score");
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const score = at(values, layer, head);
      const key = `${layer} ${head}`;
      if (score >= data.attrs.named_from) {
        found.set(key, [...(found.get(key) ?? []), { kind: "copies", score }]);
      }
    }
  }
}

/** What the marks on thumbnails mean, and how many heads have each. */
export function RoleLegend(): JSX.Element {
  const counts = new Map<string, number>();
  for (const { kind } of [...useContext(Roles).value.values()].flat()) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return (
    <p class="lw-roles">
      {NAMED_BY.filter(([kind]) => counts.has(kind)).map(([kind, by]) => (
        <span key={kind} title={by}>
          <span class="lw-role-mark" data-mark={kind} aria-hidden="true" />
          {ROLE_NAMES[kind]} <span class="lw-num">{counts.get(kind)}</span>
        </span>
      ))}
    </p>
  );
}
