import { describe, expect, it } from "vitest";
import type { InterventionInfo, PatchCell } from "../../generated/messages";
import {
  ablatedComponents,
  type Change,
  cellKey,
  cutEdges,
  type InterventionList,
  isPending,
  keptCells,
  type PendingChange,
  withPending,
} from "./interventions";

function item(component: string, more: Partial<InterventionInfo> = {}): InterventionInfo {
  return {
    key: component,
    label: component,
    component,
    kind: "zero",
    detail: "all positions",
    enabled: true,
    cell: null,
    ...more,
  };
}

function pending(change: Change, leadsTo: InterventionList | null = null): PendingChange {
  return { id: 0, answered: false, change, leadsTo };
}

function ablate(component: string, on: boolean): PendingChange {
  return pending({ what: "ablate", component, kind: "mean", on });
}

/** The list with changes laid over it. */
function project(list: InterventionList, changes: readonly PendingChange[]): InterventionList {
  return withPending({ list, undoes: null, redoes: null }, changes).list;
}

function cell(pos: number): PatchCell {
  return { node: "z", layer: 1, head: 4, pos };
}

const on = (list: readonly InterventionInfo[]) => [...ablatedComponents(list)];

describe("the list with pending changes", () => {
  it("show a switch as flipped before the kernel has answered", () => {
    const shown = project([], [ablate("L1H4", true)]);
    expect(on(shown)).toEqual(["L1H4"]);
    expect(shown.map(isPending)).toEqual([true]);
  });

  it("change nothing when the kernel's list arrives before its answer", () => {
    const kernel = [item("L1H4")];
    expect(project(kernel, [ablate("L1H4", true)])).toBe(kernel);
    expect(on(project([], [ablate("L1H4", false)]))).toEqual([]);
  });

  it("end on the last of several quick clicks, whichever of them the kernel has seen", () => {
    const clicks = [ablate("L1H4", true), ablate("L1H4", false), ablate("L1H4", true)];
    for (const kernel of [[], [item("L1H4")]]) {
      expect(on(project(kernel, clicks))).toEqual(["L1H4"]);
    }
  });

  it("leave other interventions alone, also patches of the same component", () => {
    const kernel = [item("L0H0"), item("L1H4", { key: "p", kind: "patch" })];
    const shown = project(kernel, [ablate("L1H4", false)]);
    expect(shown).toEqual(kernel);
    expect(on(shown)).toEqual(["L0H0"]);
  });

  it("switch an ablation on that waits in the list, as the kernel does", () => {
    const kernel = [item("L0H0", { enabled: false, detail: "position 3" })];
    const shown = project(kernel, [ablate("L0H0", true)]);
    expect(shown).toEqual([item("L0H0", { detail: "position 3" })]);
  });

  it("cover the list's own switches, removal and clear", () => {
    const kernel = [item("L0H0"), item("L1H4")];
    const enable = pending({ what: "enable", key: "L0H0", on: false });
    expect(on(project(kernel, [enable]))).toEqual(["L1H4"]);
    const remove = pending({ what: "remove", key: "L0H0" });
    expect(project(kernel, [remove]).map((x) => x.key)).toEqual(["L1H4"]);
    expect(project(kernel, [pending({ what: "clear" })])).toEqual([]);
  });

  it("keeps each patched cell, and takes away only those that are named", () => {
    const cells = [cell(0), cell(1), cell(2)] as const;
    const kernel = [item("a", { cell: cells[0], enabled: false }), item("L0H0")];
    const keep = pending({ what: "patch", cells: [cells[0], cells[1]], on: true });
    const kept = project(kernel, [keep]);
    expect([...keptCells(kept)]).toEqual([cells[0], cells[1]].map(cellKey));
    expect(kept.map(isPending)).toEqual([false, false, true]);
    expect(project(kept, [keep])).toBe(kept);
    const drop = pending({ what: "patch", cells: [cells[1], cells[2]], on: false });
    expect([...keptCells(project(kernel, [keep, drop]))]).toEqual([cellKey(cells[0])]);
    expect(on(project(kernel, [keep, drop]))).toEqual(["a", "L0H0"]);
  });

  it("says what can be undone and redone", () => {
    const shown = { list: [], undoes: null, redoes: "ablate L1H1" };
    const ablated = { undoes: "ablate L0H0", redoes: null };
    expect(withPending(shown, [ablate("L0H0", true)])).toMatchObject(ablated);
    const undone = withPending(shown, [ablate("L0H0", true), pending({ what: "undo" }, [])]);
    expect(undone).toEqual({ list: [], undoes: "", redoes: "ablate L0H0" });
    const prompt = { prompt: 1, text: "a", correct: "", wrong: "", corrupted: null };
    const edited = { list: [], undoes: "the edit of prompt 2", redoes: null };
    expect(withPending(shown, [pending({ what: "edit", prompt })])).toEqual(edited);
  });
});

it("cuts edges, and takes an ablation of the same kind for none", () => {
  const edges = [
    { writer: "L0H1", reader: "L1H4.k" },
    { writer: "L1H4", reader: "logits" },
  ];
  const [first] = edges;
  if (!first) throw new Error("no edge");
  const both = project([item("L0H1")], [pending({ what: "cut", edges, kind: "zero", on: true })]);
  expect([...cutEdges(both)]).toEqual(["L0H1 → L1H4.k", "L1H4 → logits"]);
  expect(on(both)).toEqual(["L0H1"]);
  const off = pending({ what: "cut", edges: [first], kind: "mean", on: false });
  expect([...cutEdges(project(both, [off]))]).toEqual(["L1H4 → logits"]);
});
