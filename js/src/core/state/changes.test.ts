import { signal } from "@preact/signals";
import { beforeEach, describe, expect, it } from "vitest";
import type { InterventionInfo, PatchCell } from "../../generated/messages";
import { Changes, settled } from "./changes";
import { type Change, cellKey, type InterventionList, type PendingChange } from "./interventions";
import type { ChangesSession } from "./view_state";

function item(component: string, cell: PatchCell | null = null): InterventionInfo {
  const kind = cell ? "patch" : "zero";
  return { key: component, label: component, component, kind, detail: "", enabled: true, cell };
}

function ablate(component: string, on = true): Change {
  return { what: "ablate", component, kind: "zero", on };
}

const cell = (pos: number): PatchCell => ({ node: "resid_pre", layer: 2, head: null, pos });
const keep = (pos: number, on = true): Change => ({ what: "patch", cells: [cell(pos)], on });

describe("the changes of a session", () => {
  const nothing = { interventions: [] as InterventionList, undoes: null, redoes: null };
  const state = signal(nothing);
  const changing = signal(false);
  let store: Changes;
  let asked: { method: string; args: unknown; answer: (granted: boolean) => void }[];
  const view: ChangesSession = {
    change: ({ method }, args) =>
      new Promise((resolve) => {
        changing.value = true;
        asked.push({ method, args, answer: resolve });
      }),
  };
  const answer = async (index: number, granted: boolean) => {
    asked[index]?.answer(granted);
    await Promise.resolve();
    await Promise.resolve();
  };
  const says = (interventions: InterventionList) => {
    state.value = { ...nothing, interventions };
    changing.value = false;
  };
  const ablated = () => [...store.ablated.value];
  const kept = () => [...store.keptCells.value];

  beforeEach(() => {
    state.value = nothing;
    changing.value = false;
    asked = [];
    store = new Changes({ state, changing });
  });

  it("show at once and follow the kernel from then on", async () => {
    void store.make(view, ablate("L1H4"));
    expect(ablated()).toEqual(["L1H4"]);

    // The new list comes before the answer: nothing may flip back in between.
    state.value = { ...nothing, interventions: [item("L1H4")] };
    expect(ablated()).toEqual(["L1H4"]);
    await answer(0, true);
    changing.value = false;
    expect(ablated()).toEqual(["L1H4"]);

    // Someone else undoes it: the change must be gone by now.
    state.value = nothing;
    expect(ablated()).toEqual([]);
  });

  it("are taken back when the kernel refuses", async () => {
    const made = store.make(view, ablate("L9H9"));
    expect(ablated()).toEqual(["L9H9"]);
    await answer(0, false);
    expect(await made).toBe(false);
    expect(store.interventions.value).toEqual([]);
  });

  it("all count when two cells of a patching map are clicked quickly", async () => {
    void store.make(view, keep(3));
    void store.make(view, keep(5));
    const both = [cell(3), cell(5)].map(cellKey);
    expect(kept()).toEqual(both);
    expect(asked.map(({ args }) => args)).toEqual([
      { cells: [cell(3)], on: true },
      { cells: [cell(5)], on: true },
    ]);

    // The kernel's state after the first of them must not hide the second.
    await answer(0, true);
    state.value = { ...nothing, interventions: [item("a", cell(3))] };
    expect(kept()).toEqual(both);
    await answer(1, true);
    says([item("a", cell(3)), item("b", cell(5))]);
    expect(kept()).toEqual(both);
    expect(store.interventions.value.map(({ key }) => key)).toEqual(["a", "b"]);
  });

  it.each([0, 1])("lose only the one that was refused (cell %i)", async (refused) => {
    const cells = [cell(3), cell(5)];
    void store.make(view, keep(3));
    void store.make(view, keep(5));
    await answer(refused, false);
    const left = cells.filter((_, index) => index !== refused).map(cellKey);
    expect(kept()).toEqual(left);
    await answer(1 - refused, true);
    says(cells.filter((_, index) => index !== refused).map((one) => item("a", one)));
    expect(kept()).toEqual(left);
  });

  it("of different kinds live side by side", async () => {
    state.value = { ...nothing, interventions: [item("L0H0")] };
    void store.make(view, keep(3));
    void store.make(view, ablate("L1H4"));
    void store.make(view, { what: "remove", key: "L0H0" });
    expect(kept()).toEqual([cellKey(cell(3))]);
    expect(ablated()).toEqual(["L1H4"]);
    await answer(1, false);
    expect([kept(), ablated()]).toEqual([[cellKey(cell(3))], []]);
  });

  it("are undone and redone in the frame of the click, answered or not", async () => {
    void store.make(view, ablate("L0H0"));
    void store.make(view, keep(3));
    expect(store.undoes.value).not.toBeNull();
    void store.make(view, { what: "undo" });
    expect([ablated(), kept()]).toEqual([["L0H0"], []]);
    expect(store.redoes.value).not.toBeNull();
    await answer(0, true);
    await answer(1, true);
    await answer(2, true);
    says([item("L0H0")]);
    void store.make(view, { what: "undo" });
    expect(ablated()).toEqual([]);
    void store.make(view, { what: "redo" });
    void store.make(view, { what: "redo" });
    expect([ablated(), kept()]).toEqual([["L0H0"], [cellKey(cell(3))]]);
    expect(asked.map(({ method }) => method)).toEqual([
      "session/set_ablated",
      "session/set_patched",
      "session/undo",
      "session/undo",
      "session/redo",
      "session/redo",
    ]);
  });

  it("leave an undo to the kernel when somebody else has changed the list since", async () => {
    void store.make(view, ablate("L0H0"));
    await answer(0, true);
    says([item("L0H0"), item("L3H3")]);
    void store.make(view, { what: "undo" });
    expect(ablated()).toEqual(["L0H0", "L3H3"]);
    await answer(1, true);
    says([item("L0H0")]);
    // Nor is anything made up for the undo after one that was not understood.
    void store.make(view, { what: "undo" });
    expect(ablated()).toEqual(["L0H0"]);
  });

  it("include edited prompts, which leave the interventions as they are", async () => {
    state.value = { ...nothing, interventions: [item("L0H0")] };
    const prompt = { prompt: 0, text: "a b", correct: "", wrong: "", corrupted: null };
    const made = store.make(view, { what: "edit", prompt });
    expect(asked).toMatchObject([{ method: "session/edit_prompt", args: prompt }]);
    expect(ablated()).toEqual(["L0H0"]);
    await answer(0, false);
    expect(await made).toBe(false);
  });

  it("are dropped once the kernel's state has caught up, not before", () => {
    const make = (id: number, answered: boolean): PendingChange => {
      return { id, answered, change: ablate(`L0H${id}`), leadsTo: null };
    };
    const pending = [make(1, true), make(2, false)];
    expect(settled(pending, true)).toBe(pending);
    const open = settled(pending, false);
    expect(open.map(({ id }) => id)).toEqual([2]);
    expect(settled(open, false)).toBe(open);
  });
});
