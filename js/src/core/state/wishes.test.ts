import { signal } from "@preact/signals";
import { describe, expect, it } from "vitest";
import type { InterventionInfo } from "../../generated/protocol";
import { ablatedComponents, isPending, type Pending, project, settle } from "./optimistic";
import { createWishes, type Source } from "./wishes";

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
    return { state, changing, source, store: createWishes(source) };
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
});
