// Switches flip in the frame of the click: what was asked for is laid over what the kernel last said,
// until the kernel's list contains it (or refuses it). Wishes are absolute ("L1H4 on"), never "flip":
// the kernel's new list may arrive before its answer, and applying a wish twice must change nothing.

import type { InterventionInfo } from "../../generated/protocol";

export type Wish =
  | { what: "ablate"; component: string; kind: string; on: boolean }
  | { what: "enable"; key: string; on: boolean }
  | { what: "remove"; key: string }
  | { what: "clear" };

export interface Pending {
  id: number;
  wish: Wish;
  /** Whether the kernel has granted it; its new state may still be on the way. */
  answered: boolean;
}

const ABLATIONS: ReadonlySet<string> = new Set(["zero", "mean", "resample"]);
const OPTIMISTIC_KEY = "pending:";

export function isAblation(item: InterventionInfo): boolean {
  return ABLATIONS.has(item.kind);
}

/** Whether a list line comes from a click that the kernel has not answered yet. */
export function isPending(item: InterventionInfo): boolean {
  return item.key.startsWith(OPTIMISTIC_KEY);
}

/** The interventions as the person sees them: the kernel's list with the wishes laid over it. */
export function project(
  interventions: readonly InterventionInfo[],
  pending: readonly Pending[],
): readonly InterventionInfo[] {
  return pending.reduce((list, { wish }) => apply(list, wish), interventions);
}

function apply(list: readonly InterventionInfo[], wish: Wish): readonly InterventionInfo[] {
  switch (wish.what) {
    case "ablate":
      return wish.on ? ablate(list, wish) : list.filter((item) => !ablates(item, wish.component));
    case "enable":
      return list.map((item) =>
        item.key === wish.key && item.enabled !== wish.on ? { ...item, enabled: wish.on } : item,
      );
    case "remove":
      return list.filter((item) => item.key !== wish.key);
    case "clear":
      return [];
  }
}

/** As the kernel does it: an ablation that waits in the list is switched on, else one is added. */
function ablate(
  list: readonly InterventionInfo[],
  { component, kind }: { component: string; kind: string },
): readonly InterventionInfo[] {
  if (list.some((item) => ablates(item, component))) return list;
  const waiting = list.filter((item) => item.component === component && isAblation(item)).at(-1);
  if (waiting) return list.map((item) => (item === waiting ? { ...item, enabled: true } : item));
  const key = `${OPTIMISTIC_KEY}${component}`;
  const added = { key, label: component, component, kind, detail: "", enabled: true, cell: null };
  return [...list, added];
}

function ablates(item: InterventionInfo, component: string): boolean {
  return item.enabled && item.component === component && isAblation(item);
}

/** The components that are switched off, for cells and rows to look themselves up in. */
export function ablatedComponents(list: readonly InterventionInfo[]): ReadonlySet<string> {
  const off = list.filter((item) => item.enabled && isAblation(item));
  return new Set(off.map((item) => item.component));
}

/** Drops the granted wishes once the kernel's state has caught up with its answers. */
export function settle(pending: readonly Pending[], changing: boolean): readonly Pending[] {
  if (changing || !pending.some((item) => item.answered)) return pending;
  return pending.filter((item) => !item.answered);
}
