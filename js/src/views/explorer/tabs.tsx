import type { FunctionComponent, JSX, TargetedKeyboardEvent } from "preact";
import { useContext, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { InTab } from "../../core/parts/columns";
import type { Draw, PanelProps } from "../../core/parts/mount";
import { Live } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { RpcError } from "../../core/state/rpc";
import { isAtHand, loadPanel } from "./load_tab";

/** The pattern is the explorer's own; each other tab is a view, named as its bundle. */
export const TABS = [
  { id: "pattern", label: "Pattern" },
  { id: "circuit", label: "Circuit" },
  { id: "patching", label: "Patching" },
  { id: "logit_lens", label: "Lens" },
  { id: "weight_circuit", label: "Weights" },
  { id: "composition", label: "Composition" },
  { id: "score_decomposition", label: "Scores" },
  { id: "head_scores", label: "Head scores" },
  { id: "neuron", label: "Neurons" },
  { id: "loss", label: "Loss" },
  { id: "activation_browser", label: "Activations" },
  { id: "model_card", label: "Model" },
] as const;

export type TabId = (typeof TABS)[number]["id"];

/** Of a tab's name in CSS pixels: its padding, and a character of the bold face. */
const PADDING = 18;
const CHARACTER = 7.6;
const MORE_WIDTH = 108;
const END_WIDTH = 28;

/** How many tabs fit side by side, with a list of the others where some do not. */
export function fittingTabs(width: number): number {
  const widths = TABS.map(({ label }) => PADDING + label.length * CHARACTER);
  const all = widths.reduce((sum, each) => sum + each, 0);
  if (all <= width) return TABS.length;
  let left = width - MORE_WIDTH;
  const over = widths.findIndex((each) => {
    left -= each;
    return left < 0;
  });
  return Math.max(1, over);
}

/** What stands in the middle: one of the views, over the same selection. Arrow keys move between tabs. */
export function TabBar(props: {
  chosen: TabId;
  onChoose: (tab: TabId) => void;
  /** Stands last. */
  end: Draw;
}): JSX.Element {
  const { chosen, onChoose } = props;
  const box = useRef<HTMLDivElement>(null);
  const { width } = useSize(box);
  const live = useContext(Live).value;
  // Without a kernel there are the views that were opened before: no tab leads to nothing.
  const known = (id: TabId) => live || id === "pattern" || isAtHand(id);
  const count = fittingTabs(width - END_WIDTH);
  const shown = TABS.slice(0, count);
  const others = TABS.slice(count);
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const at = shown.findIndex(({ id }) => id === chosen);
    const last = shown.length - 1;
    const to = {
      ArrowRight: at === last ? 0 : at + 1,
      ArrowLeft: at <= 0 ? last : at - 1,
      Home: 0,
      End: last,
    }[event.key];
    const next = to === undefined ? undefined : shown[to];
    if (!next || !known(next.id)) return;
    event.preventDefault();
    event.stopPropagation();
    flush(() => onChoose(next.id));
    event.currentTarget.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus();
  };
  const inTabOrder = shown.some(({ id }) => id === chosen) ? chosen : shown[0]?.id;
  return (
    <div class="lw-explorer-tabs" ref={box}>
      <div role="tablist" aria-label="views" onKeyDown={onKeyDown}>
        {shown.map(({ id, label }) => (
          <button
            key={id}
            type="button"
            role="tab"
            class="lw-explorer-tab-name"
            aria-selected={id === chosen}
            tabIndex={id === inTabOrder ? 0 : -1}
            data-tab={id}
            disabled={!known(id)}
            title={known(id) ? undefined : "was not opened before, and needs a running kernel"}
            onClick={() => flush(() => onChoose(id))}
          >
            {label}
          </button>
        ))}
      </div>
      {others.length > 0 && (
        <select
          class="lw-select lw-explorer-others"
          aria-label="other views"
          data-chosen={others.some(({ id }) => id === chosen)}
          value={others.some(({ id }) => id === chosen) ? chosen : ""}
          onChange={(event) => {
            const next = others.find(({ id }) => id === event.currentTarget.value);
            if (next) flush(() => onChoose(next.id));
          }}
        >
          <option value="" disabled>
            more
          </option>
          {others.map(({ id, label }) => (
            <option key={id} value={id} disabled={!known(id)}>
              {label}
            </option>
          ))}
        </select>
      )}
      {props.end()}
    </div>
  );
}

/** One of the other views. Its code comes from the kernel when it is first opened. */
export function Tab(props: { view: ViewHandle; tab: TabId; panel: PanelProps }): JSX.Element {
  const { view, tab, panel } = props;
  const [loaded, setLoaded] = useState<{ tab: TabId; Panel: FunctionComponent<PanelProps> } | null>(
    null,
  );
  const [problem, setProblem] = useState("");
  useLayoutEffect(() => {
    let current = true;
    setProblem("");
    loadPanel(view, tab).then(
      (Panel) => current && flush(() => setLoaded({ tab, Panel })),
      (reason: unknown) => {
        const words = reason instanceof RpcError ? `${reason.message} ${reason.hint}` : `${reason}`;
        if (current) flush(() => setProblem(words));
      },
    );
    return () => {
      current = false;
    };
  }, [view, tab]);
  const Panel = loaded?.tab === tab ? loaded.Panel : null;
  const name = TABS.find(({ id }) => id === tab)?.label ?? tab;
  return (
    <div class="lw-explorer-tab" role="tabpanel" aria-label={name} data-lw-tab={tab}>
      {Panel ? (
        <InTab.Provider value={true}>
          <Panel {...panel} />
        </InTab.Provider>
      ) : (
        <p class="lw-muted lw-explorer-wait">{problem || "loading…"}</p>
      )}
    </div>
  );
}
