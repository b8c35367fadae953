import { signal } from "@preact/signals";
import { describe, expect, it } from "vitest";
import type { InterventionInfo } from "../../generated/protocol";
import { cellText, gridScale, interventionText, share } from "./format";
import { componentAt, gridSize, labelEvery, moveCell } from "./layout";
import { ablatedComponents, isPending, type Pending, project, settle } from "./optimistic";
import { optimistic, type Source } from "./store";

function item(component: string, more: Partial<InterventionInfo> = {}): InterventionInfo {
  return {
    key: component,
    label: component,
    component,
    kind: "zero",
    detail: "all positions",
    enabled: true,
    ...more,
  };
}

function ablate(component: string, on: boolean, id = 0, answered = false): Pending {
  return { id, answered, wish: { what: "ablate", component, kind: "mean", on } };
}

const on = (list: readonly InterventionInfo[]) => [...ablatedComponents(list)];

describe("optimistic switches", () => {
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
    const clicks = [ablate("L1H4", true, 1), ablate("L1H4", false, 2), ablate("L1H4", true, 3)];
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
    const enable: Pending = {
      id: 1,
      answered: false,
      wish: { what: "enable", key: "L0H0", on: false },
    };
    expect(on(project(kernel, [enable]))).toEqual(["L1H4"]);
    const remove: Pending = { id: 1, answered: false, wish: { what: "remove", key: "L0H0" } };
    expect(project(kernel, [remove]).map((x) => x.key)).toEqual(["L1H4"]);
    const clear: Pending = { id: 1, answered: false, wish: { what: "clear" } };
    expect(project(kernel, [clear])).toEqual([]);
  });

  it("are dropped once the kernel's state has caught up, not before", () => {
    const pending = [ablate("L0H0", true, 1, true), ablate("L0H1", true, 2)];
    expect(settle(pending, true)).toBe(pending);
    expect(settle(pending, false).map((x) => x.id)).toEqual([2]);
    const open = settle(pending, false);
    expect(settle(open, false)).toBe(open);
  });
});

describe("the switches of a session", () => {
  function fakeSession() {
    const state = signal<{ interventions: InterventionInfo[] }>({ interventions: [] });
    const changing = signal(false);
    const source: Source = { state, changing };
    return { state, changing, source, store: optimistic(source) };
  }

  it("flip at once and follow the kernel from then on", async () => {
    const { state, changing, store } = fakeSession();
    let answer: (granted: boolean) => void = () => undefined;
    const done = store.wish({ what: "ablate", component: "L1H4", kind: "zero", on: true }, () => {
      changing.value = true;
      return new Promise((resolve) => {
        answer = resolve;
      });
    });
    expect([...store.ablated.value]).toEqual(["L1H4"]);

    // The new list comes before the answer: nothing may flip back in between.
    state.value = { interventions: [item("L1H4")] };
    expect([...store.ablated.value]).toEqual(["L1H4"]);
    answer(true);
    await done;
    changing.value = false;
    expect([...store.ablated.value]).toEqual(["L1H4"]);

    // Someone else undoes it: the wish must be gone by now.
    state.value = { interventions: [] };
    expect([...store.ablated.value]).toEqual([]);
  });

  it("flip back when the kernel refuses", async () => {
    const { store } = fakeSession();
    const wish = { what: "ablate", component: "L9H9", kind: "zero", on: true } as const;
    const done = store.wish(wish, async () => false);
    expect([...store.ablated.value]).toEqual(["L9H9"]);
    await done;
    expect([...store.ablated.value]).toEqual([]);
    expect(store.interventions.value).toEqual([]);
  });

  it("are one store for all views of a session", () => {
    const { source, store } = fakeSession();
    expect(optimistic(source)).toBe(store);
    expect(fakeSession().store).not.toBe(store);
  });
});

describe("the grid", () => {
  it("prints values where they fit", () => {
    const small = gridSize(600, 4, 8, true);
    expect(small.printHeads).toBe(true);
    expect(small.cellWidth).toBeLessThanOrEqual(44);
    const large = gridSize(600, 32, 32, true);
    expect(large.printHeads).toBe(false);
    expect(large.cellWidth).toBeLessThan(20);
  });

  it("shows 32 layers at once, and lets cells stop shrinking before they are too small to hit", () => {
    const { cellHeight, gap } = gridSize(1000, 32, 32, true);
    expect(32 * (cellHeight + gap)).toBeLessThanOrEqual(440);
    expect(gridSize(300, 96, 96, true)).toMatchObject({ cellWidth: 11, cellHeight: 11 });
  });

  it.each([
    [440, 2, 8],
    [620, 4, 8],
    [620, 12, 12],
    [510, 32, 32],
    [1500, 32, 32],
  ])("fits %i px with %i x %i heads", (room, layers, heads) => {
    const { cellWidth, gap, mlpWidth } = gridSize(room, layers, heads, true);
    expect(30 + heads * (cellWidth + gap) + 16 + mlpWidth).toBeLessThanOrEqual(room);
  });

  it("labels columns without letting labels touch", () => {
    expect(labelEvery(36, 4, 8)).toBe(1);
    const every = labelEvery(15, 2, 32);
    expect(every * 17).toBeGreaterThanOrEqual(22);
  });

  it("moves with the arrow keys and skips layers without an MLP", () => {
    const mlps = new Set([0, 2]);
    const move = (layer: number, column: number, key: Parameters<typeof moveCell>[1]) =>
      moveCell({ layer, column }, key, 3, 8, mlps);
    expect(move(0, 7, "ArrowRight")).toEqual({ layer: 0, column: 8 });
    expect(move(1, 7, "ArrowRight")).toEqual({ layer: 1, column: 7 });
    expect(move(0, 8, "ArrowDown")).toEqual({ layer: 2, column: 8 });
    expect(move(2, 8, "ArrowDown")).toEqual({ layer: 2, column: 8 });
    expect(move(1, 3, "ArrowUp")).toEqual({ layer: 0, column: 3 });
    expect(move(1, 3, "End")).toEqual({ layer: 1, column: 7 });
    expect(move(0, 0, "ArrowLeft")).toEqual({ layer: 0, column: 0 });
  });

  it("names its cells as TransformerLens does", () => {
    expect(componentAt({ layer: 1, column: 4 }, 8)).toBe("L1H4");
    expect(componentAt({ layer: 1, column: 8 }, 8)).toBe("L1.mlp");
  });
});

describe("values in cells", () => {
  it("are scaled around zero by what is known", () => {
    expect(gridScale(Float32Array.of(1, -4.6, Number.NaN), Float32Array.of(2))).toBe(5);
    expect(gridScale(Float32Array.of(Number.NaN), new Float32Array(0))).toBe(1);
    expect(share(-2.3, 4.6)).toBeCloseTo(-0.5);
    expect(share(9, 4.6)).toBe(1);
    expect(share(Number.NaN, 4.6)).toBe(0);
    expect(share(1, 0)).toBe(0);
  });

  it("are short, with a true minus, and blank where they round to nothing", () => {
    expect(cellText(-4.61, 4.61)).toBe("\u22124.6");
    expect(cellText(0.04, 4.61)).toBe("");
    expect(cellText(0.31, 0.5)).toBe(".31");
    expect(cellText(-0.042, 0.05)).toBe("\u2212.042");
    expect(cellText(Number.NaN, 1)).toBe("");
  });

  it("name kind and positions once", () => {
    expect(interventionText("mean", "all positions")).toBe("mean · all positions");
    expect(interventionText("mean", "mean · all positions")).toBe("mean · all positions");
    expect(interventionText("zero", "")).toBe("zero");
  });
});
