import { afterEach, describe, expect, it, vi } from "vitest";
import { copyText } from "../../core/export/clipboard";
import { bar, barScale, digitsFor, whisker, zeroAt } from "./layout";
import {
  type AttributionRow,
  DEFAULT_SORT,
  inOrder,
  matches,
  nextSort,
  rowChange,
  sortRows,
} from "./rows";

function row(
  component: string,
  baseline: number | null,
  current: number | null = baseline,
): AttributionRow {
  const head = /^L(\d+)H(\d+)$/.exec(component);
  const layer = /^L(\d+)/.exec(component);
  return {
    component,
    layer: layer ? Number(layer[1]) : null,
    head: head ? Number(head[2]) : null,
    baseline,
    current,
    baseline_sem: null,
    current_sem: null,
    change_sem: null,
    ablatable: layer !== null,
  };
}

const rows = [
  row("embed", 0.1),
  row("L0H0", -3, 1),
  row("L0H1", 2, 0.5),
  row("L1.mlp", null),
  row("bias", 0.1),
];
const none = () => false;
const names = (items: readonly AttributionRow[]) => items.map((item) => item.component);

describe("sorting", () => {
  it("starts with the largest baseline effect of either sign, unknown ones last", () => {
    expect(names(sortRows(rows, DEFAULT_SORT, none))).toEqual([
      "L0H0",
      "L0H1",
      "embed",
      "bias",
      "L1.mlp",
    ]);
  });

  it("keeps unknown values last in the other direction too", () => {
    const up = sortRows(rows, { column: "baseline", direction: "ascending" }, none);
    expect(names(up)).toEqual(["embed", "bias", "L0H1", "L0H0", "L1.mlp"]);
  });

  it("sorts parts as they stand in the model, numbers as numbers", () => {
    const parts = ["bias", "L10H0", "L2.mlp", "L2H10", "L2H9", "embed"].map((name) => row(name, 0));
    const sorted = sortRows(parts, { column: "part", direction: "ascending" }, none);
    expect(names(sorted)).toEqual(["embed", "L2H9", "L2H10", "L2.mlp", "L10H0", "bias"]);
  });

  it("sorts the bars by sign and the change by size", () => {
    const bars = sortRows(
      [row("L0H0", 0, -5), row("L0H1", 0, 1)],
      { column: "bar", direction: "descending" },
      none,
    );
    expect(names(bars)).toEqual(["L0H1", "L0H0"]);
    const moved = sortRows(rows, { column: "change", direction: "descending" }, none);
    expect(names(moved).slice(0, 2)).toEqual(["L0H0", "L0H1"]);
  });

  it("brings ablated parts to the top when asked", () => {
    const sorted = sortRows(
      rows,
      { column: "switch", direction: "descending" },
      (name) => name === "L1.mlp",
    );
    expect(names(sorted)[0]).toBe("L1.mlp");
  });

  it("leaves the kernel's rows untouched", () => {
    const before = names(rows);
    sortRows(rows, DEFAULT_SORT, none);
    expect(names(rows)).toEqual(before);
  });

  it("keeps every row in its place while numbers move", () => {
    const order = names(sortRows(rows, { column: "current", direction: "descending" }, none));
    const later = rows.map((item) => ({ ...item, current: -(item.current ?? 0) * 7 }));
    expect(names(inOrder(later, order))).toEqual(order);
  });

  it("turns the direction on a second click, but first sorts again what has moved", () => {
    expect(nextSort(DEFAULT_SORT, "baseline", false).direction).toBe("ascending");
    expect(nextSort(DEFAULT_SORT, "baseline", true)).toEqual(DEFAULT_SORT);
    expect(nextSort(DEFAULT_SORT, "current", false)).toEqual({
      column: "current",
      direction: "descending",
    });
    expect(nextSort(DEFAULT_SORT, "part", false).direction).toBe("ascending");
  });
});

describe("filtering", () => {
  it.each([
    ["L1H4", "L1", true],
    ["L1.mlp", "l1", true],
    ["L10H4", "L1", false],
    ["L11H1", "L1", false],
    ["L2H3", "H3", true],
    ["L2H30", "H3", false],
    ["L0.mlp", "mlp", true],
    ["L0.mlp", "L0 mlp", true],
    ["L1.mlp", "L0 mlp", false],
    ["L1.mlp", "L0, mlp", true],
    ["embed", "emb", true],
    ["embed", "  ", true],
    ["embed", "(", false],
  ])("%s for %j: %s", (component, query, expected) => {
    expect(matches(component, query)).toBe(expected);
  });
});

describe("bars", () => {
  const scale = barScale(rows);

  it("share one scale around zero, before and after", () => {
    expect(scale).toEqual({ lo: -3, hi: 2 });
    expect(zeroAt(scale)).toBeCloseTo(60);
    expect(bar(2, scale)).toEqual({ left: 60, width: 40 });
    expect(bar(-3, scale)).toEqual({ left: 0, width: 60 });
    expect(bar(-1.5, scale)).toEqual({ left: 30, width: 30 });
  });

  it("stand on round numbers, so that small changes do not move the zero line", () => {
    expect(barScale([row("L0H0", 5.02, 4.9), row("L0H1", -0.84)])).toEqual({ lo: -1, hi: 6 });
    expect(barScale([row("L0H0", 5.3, 5.8), row("L0H1", -0.9)])).toEqual({ lo: -1, hi: 6 });
    expect(barScale([row("L0H0", 0.031)])).toEqual({ lo: 0, hi: 0.04 });
  });

  it("have room for the standard errors drawn on them", () => {
    const wide = barScale([{ ...row("L0H0", 1, 1.9), current_sem: 0.4 }]);
    expect(wide.hi).toBe(3);
    expect(whisker(1.5, 0.3, wide)).toEqual({
      left: expect.closeTo(40),
      width: expect.closeTo(20),
    });
    expect(whisker(1.5, null, wide)).toBeNull();
    expect(whisker(null, 0.3, wide)).toBeNull();
  });

  it("come with digits that suit the scale", () => {
    expect(digitsFor(-5, 0.1)).toBe(2);
    expect(digitsFor(0.4, null)).toBe(3);
    expect(digitsFor(0.04)).toBe(4);
    expect(digitsFor()).toBe(2);
  });

  it("are empty for what is unknown, and when everything is zero", () => {
    expect(bar(null, scale).width).toBe(0);
    expect(bar(0, { lo: 0, hi: 0 })).toEqual({ left: 50, width: 0 });
  });

  it("come from the same numbers as the change", () => {
    expect(rowChange(row("L0H0", -3, 1))).toBe(4);
    expect(rowChange(row("L0H0", null, 1))).toBeNull();
  });
});

describe("copying", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("uses the clipboard where there is one", async () => {
    const writeText = vi.fn(async () => undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    expect(await copyText("a,b", document.body)).toBe(true);
    expect(writeText).toHaveBeenCalledWith("a,b");
  });

  it("falls back to a text area, leaving nothing behind", async () => {
    vi.stubGlobal("navigator", {});
    let copied = "";
    document.execCommand = () => {
      copied = document.querySelector("textarea")?.value ?? "";
      return true;
    };
    expect(await copyText("a,b", document.body)).toBe(true);
    expect(copied).toBe("a,b");
    expect(document.querySelector("textarea")).toBeNull();
  });
});
