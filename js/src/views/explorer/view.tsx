import type { JSX } from "preact";
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useSize } from "../../core/draw/canvas";
import { Columns } from "../../core/parts/columns";
import { makeRoles, Roles } from "../../core/parts/heads/roles";
import { Later, type Load, Loading } from "../../core/parts/later";
import { Segmented } from "../../core/parts/ui";
import { Header, type PanelProps, SessionMetric, useView, ViewRoot } from "../../core/parts/view";
import { flush } from "../../core/state/flush";
import { ViewGroup } from "../../core/state/handle";
import { AblationPanelView } from "../ablation/view";
import { AttentionPanel } from "../attention/view";
import { AttributionPanel } from "../attribution/view";
import { TokenPanel } from "../token/view";
import { columnsOf, WIDE } from "./layout";
import { loadModule } from "./load_tab";
import { FindRoles, RoleLegend } from "./roles";
import { Tab, TabBar, type TabId } from "./tabs";
import { TopToken } from "./top_token";
import type { Region } from "./tour_facts";

/** Where each part that the tour tells of stands. */
const REGIONS: Record<Region, string> = {
  top: ".lw-explorer-top",
  heads: ".lw-heads-card",
  pattern: ".lw-pattern-card",
  attribution: ".lw-view-attribution > .lw-card",
  switched: ".lw-active-card",
  tabs: ".lw-explorer-tabs",
};

const LEFT = [
  { value: "patterns", label: "patterns" },
  { value: "effects", label: "effects" },
] as const;

/**
 * One instrument: which head at the left, what one looks at in the middle, what it does to the answer at
 * the right, as tall as a window. The views share the session's selection, its changes and one comm.
 */
export function ExplorerPanel({ session, rpc }: PanelProps): JSX.Element {
  const group = useMemo(() => new ViewGroup("explorer", session), [session]);
  const head = useView("explorer", { session, rpc });
  const root = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLElement>(null);
  const { width } = useSize(root);
  const { height: topHeight } = useSize(top);
  const [tab, setTab] = useState<TabId>("pattern");
  const [left, setLeft] = useState<"patterns" | "effects">("patterns");
  const [tour, setTour] = useState<Region | null>(null);
  const { n_layers, n_heads } = session.info.value;
  // What stands below the top is laid out once the room for it is known: else it would be twice.
  const columns = useMemo(
    () => (width < WIDE ? null : columnsOf(n_layers, n_heads, width, topHeight)),
    [n_layers, n_heads, width, topHeight],
  );
  const roles = useMemo(makeRoles, []);
  const choice = columns?.left === "choice";
  const leftChoice = choice
    ? () => (
        <Segmented
          label="what is shown of the heads"
          options={LEFT}
          value={left}
          onChange={setLeft}
        />
      )
    : undefined;
  const showRegion = useCallback((region: Region) => {
    setTour(region);
    if (region === "pattern") setTab("pattern");
    if (region === "heads") setLeft("patterns");
  }, []);
  useLayoutEffect(() => {
    const part = tour && root.current?.querySelector(REGIONS[tour]);
    if (!part) return undefined;
    part.classList.add("lw-toured");
    part.scrollIntoView({ block: "nearest" });
    return () => part.classList.remove("lw-toured");
  }, [tour]);
  const endTour = () => {
    setTour(null);
    root.current?.querySelector<HTMLElement>("[data-tour-begins]")?.focus({ preventScroll: true });
  };
  const tourButton = () => (
    <button
      type="button"
      class="lw-btn"
      data-tour-begins=""
      data-lw-unprinted=""
      aria-label="tour"
      disabled={!session.connected.value}
      title="what am I looking at? A short tour"
      aria-expanded={tour !== null}
      onClick={() => (tour ? endTour() : flush(() => setTour("top")))}
    >
      ?
    </button>
  );
  const panel = { session, rpc, compact: true };
  // Explorer and parts are always of one build, so a part is what its own file exports.
  const load = useMemo<Load>(() => (name) => loadModule(head, name) as Promise<never>, [head]);
  return (
    <ViewRoot handle={group}>
      <Loading.Provider value={load}>
        <div
          class="lw-explorer"
          ref={root}
          data-columns={columns !== null}
          data-heads={columns?.heads}
          data-shown={tab}
          data-left={choice ? left : "both"}
          style={
            columns
              ? {
                  "--lw-explorer-left": `${columns.leftWidth}px`,
                  "--lw-explorer-height": `${columns.height}px`,
                  "--lw-explorer-heads": `${columns.headsHeight}px`,
                }
              : {}
          }
        >
          <section class="lw-card lw-explorer-top" ref={top}>
            <SessionMetric view={head} />
            <Header
              handle={group}
              title="Circuit explorer"
              brief
              outcome={() => <TopToken view={head} />}
            />
            <TokenPanel {...panel} />
          </section>
          {tour && (
            <Later view={head} name="explorer_tour" own={() => import("./tour")}>
              {({ Tour }) => <Tour view={head} onRegion={showRegion} onClose={endTour} />}
            </Later>
          )}
          {topHeight > 0 && (
            <Roles.Provider value={roles}>
              <Columns.Provider value={columns}>
                <div class="lw-explorer-columns">
                  <AttentionPanel
                    {...panel}
                    headsTools={leftChoice}
                    legend={() => <RoleLegend />}
                  />
                  <TabBar chosen={tab} onChoose={setTab} end={tourButton} />
                  {tab !== "pattern" && <Tab view={head} tab={tab} panel={panel} />}
                  <AttributionPanel {...panel} />
                  <AblationPanelView {...panel} effectsTools={leftChoice} />
                </div>
              </Columns.Provider>
              <FindRoles view={head} into={roles} />
            </Roles.Provider>
          )}
        </div>
      </Loading.Provider>
    </ViewRoot>
  );
}
