// The list of interventions as the person sees it: what was asked for is laid over what the kernel last
// said, until the kernel's list contains it (or refuses it). Changes are absolute ("L1H4 on"), never
// "flip": the kernel's new list may arrive before its answer, and a change made twice must do nothing.

import type { EdgeEnds, InterventionInfo, PatchCell, Settings } from "../../generated/messages";
import type { editPrompt } from "../../generated/session";

/** Whatever a view can ask the kernel to change. */
export type Change =
  | { what: "ablate"; component: string; kind: Settings["ablation_kind"]; on: boolean }
  | { what: "patch"; cells: readonly PatchCell[]; on: boolean }
  | { what: "cut"; edges: readonly EdgeEnds[]; kind: Settings["ablation_kind"]; on: boolean }
  | { what: "enable"; key: string; on: boolean }
  | { what: "remove"; key: string }
  | { what: "clear" }
  | { what: "undo" }
  | { what: "redo" }
  | { what: "edit"; prompt: NonNullable<(typeof editPrompt)["args"]> }
  /** Other prompts, which a view asks for in its own way; `words` as the kernel will say it. */
  | { what: "prompts"; words: string; ask: () => Promise<boolean> };

/** A change that the kernel has not answered yet, or whose new state is still on the way. */
export interface PendingChange {
  id: number;
  change: Change;
  /** The list that an undo or redo leads to, where the page knows it. */
  leadsTo: InterventionList | null;
  answered: boolean;
}

export type InterventionList = readonly InterventionInfo[];

/** What can be seen of the interventions and their history. */
export interface Shown {
  list: InterventionList;
  /** What a step back or forth would change, in words; "" where that is not known yet. */
  undoes: string | null;
  redoes: string | null;
}

const ABLATIONS: ReadonlySet<string> = new Set(["zero", "mean", "resample"]);
const PENDING_KEY = "pending:";

export function isAblation(item: InterventionInfo): boolean {
  return ABLATIONS.has(item.kind) && !item.edge;
}

/** Whether a list line comes from a click that the kernel has not answered yet. */
export function isPending(item: InterventionInfo): boolean {
  return item.key.startsWith(PENDING_KEY);
}

/** The kernel's word with the pending changes laid over it. */
export function withPending(shown: Shown, pending: readonly PendingChange[]): Shown {
  return pending.reduce(({ list, undoes, redoes }, { change, leadsTo }) => {
    switch (change.what) {
      case "edit":
        return { list, undoes: `the edit of prompt ${change.prompt.prompt + 1}`, redoes: null };
      case "prompts":
        return { list, undoes: change.words, redoes: null };
      case "undo":
        return { list: leadsTo ?? list, undoes: undoes === null ? null : "", redoes: undoes };
      case "redo":
        return { list: leadsTo ?? list, undoes: redoes, redoes: redoes === null ? null : "" };
      default:
        return { list: changed(list, change), undoes: inWords(change), redoes: null };
    }
  }, shown);
}

/** As the kernel will say it; "" for what it knows better. */
function inWords(change: ListChange): string {
  if (change.what !== "ablate") return "";
  return `${change.on ? "ablate" : "take out"} ${change.component}`;
}

type ListChange = Exclude<Change, { what: "undo" | "redo" | "edit" | "prompts" }>;

function changed(list: InterventionList, change: ListChange): InterventionList {
  switch (change.what) {
    case "ablate":
      return change.on
        ? ablate(list, change)
        : list.filter((item) => !ablates(item, change.component));
    case "patch":
      return change.on ? patch(list, change.cells) : withoutPatches(list, change.cells);
    case "cut":
      return change.on ? cut(list, change) : withoutCuts(list, change.edges);
    case "enable":
      return list.map((item) =>
        item.key === change.key && item.enabled !== change.on
          ? { ...item, enabled: change.on }
          : item,
      );
    case "remove":
      return list.filter((item) => item.key !== change.key);
    case "clear":
      return [];
  }
}

/** As the kernel does it: an ablation that waits in the list is switched on, else one is added. */
function ablate(
  list: InterventionList,
  { component, kind }: { component: string; kind: string },
): InterventionList {
  if (list.some((item) => ablates(item, component))) return list;
  const waiting = list.filter((item) => item.component === component && isAblation(item)).at(-1);
  if (waiting) return list.map((item) => (item === waiting ? { ...item, enabled: true } : item));
  const key = `${PENDING_KEY}${component}`;
  const added = { key, label: component, component, kind, detail: "", enabled: true, cell: null };
  return [...list, added];
}

function ablates(item: InterventionInfo, component: string): boolean {
  return item.enabled && item.component === component && isAblation(item);
}

/** As the kernel does it: patches that wait in the list are switched on, the others are added. */
function patch(list: InterventionList, cells: readonly PatchCell[]): InterventionList {
  const wanted = new Map(cells.map((cell) => [cellKey(cell), cell]));
  if ([...wanted.keys()].every((key) => keptCells(list).has(key))) return list;
  const switched = list.map((item) => {
    const mine = item.cell !== null && wanted.delete(cellKey(item.cell));
    return mine && !item.enabled ? { ...item, enabled: true } : item;
  });
  const added = [...wanted].map(([name, cell]) => {
    const head = cell.head === null ? "" : `H${cell.head}`;
    const label = `L${cell.layer}${head} ${cell.node}`;
    const key = `${PENDING_KEY}${name}`;
    return { key, label, component: label, kind: "patch", detail: "", enabled: true, cell };
  });
  return [...switched, ...added];
}

/** As the kernel does it: cuts of the same kind that wait in the list are switched on, others are added. */
function cut(
  list: InterventionList,
  { edges, kind }: { edges: readonly EdgeEnds[]; kind: string },
): InterventionList {
  const wanted = new Map(edges.map((edge) => [edgeLabel(edge), edge]));
  const switched = list.map((item) => {
    const mine = item.edge && item.kind === kind && wanted.delete(edgeLabel(item.edge));
    return mine && !item.enabled ? { ...item, enabled: true } : item;
  });
  const added = [...wanted].map(([label, edge]) => {
    const key = `${PENDING_KEY}${label}`;
    return { key, label, component: label, kind, detail: "", enabled: true, cell: null, edge };
  });
  return [...switched, ...added];
}

function withoutCuts(list: InterventionList, edges: readonly EdgeEnds[]): InterventionList {
  const unwanted = new Set(edges.map(edgeLabel));
  return list.filter(({ edge }) => !edge || !unwanted.has(edgeLabel(edge)));
}

/** `L0H1 → L1H4.k` */
export function edgeLabel({ writer, reader }: EdgeEnds): string {
  return `${writer} → ${reader}`;
}

/** The labels of the edges whose cuts are in force. */
export function cutEdges(list: InterventionList): ReadonlySet<string> {
  return new Set(list.flatMap(({ enabled, edge }) => (enabled && edge ? [edgeLabel(edge)] : [])));
}

function withoutPatches(list: InterventionList, cells: readonly PatchCell[]): InterventionList {
  const unwanted = new Set(cells.map(cellKey));
  return list.filter(({ cell }) => cell === null || !unwanted.has(cellKey(cell)));
}

/** Equal for equal cells of the patching maps. */
export function cellKey({ node, layer, head, pos }: PatchCell): string {
  return `${node} ${layer} ${head ?? ""} ${pos ?? ""}`;
}

/** The components that are switched off, for cells and rows to look themselves up in. */
export function ablatedComponents(list: InterventionList): ReadonlySet<string> {
  const off = list.filter((item) => item.enabled && isAblation(item));
  return new Set(off.map((item) => item.component));
}

/** Whether a head's output is switched off, by itself or with its whole layer. */
export function isHeadAblated(ablated: ReadonlySet<string>, layer: number, head: number): boolean {
  return ablated.has(`L${layer}H${head}`) || ablated.has(`L${layer}.attn`);
}

/** The keys of the cells of patching maps whose patches are in force. */
export function keptCells(list: InterventionList): ReadonlySet<string> {
  return new Set(list.flatMap(({ enabled, cell }) => (enabled && cell ? [cellKey(cell)] : [])));
}

/** Whether two lists say the same, whoever gave their lines a key. */
export function sameInterventions(one: InterventionList, other: InterventionList): boolean {
  const content = (list: InterventionList) =>
    JSON.stringify(
      list.map(({ component, kind, enabled, cell }) =>
        cell ? [cellKey(cell), enabled] : [component, kind, enabled],
      ),
    );
  return content(one) === content(other);
}
