import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { palette } from "../../draw/color";
import { defaultTheme } from "../../draw/theme";
import { flush } from "../../state/flush";
import { HeatMap, type HeatMapProps } from "./heatmap";

const { diverging } = palette(defaultTheme("light"));

describe("a heat map for keyboard and screen reader", () => {
  let root: HTMLElement;
  let props: HeatMapProps;
  const show = (change: Partial<HeatMapProps> = {}) => {
    props = { ...props, ...change };
    flush(() => render(<HeatMap {...props} />, root));
  };
  const cells = () => [...root.querySelectorAll<HTMLElement>("[role=gridcell]")];
  const cell = (row: number, col: number): HTMLElement => {
    const found = root.querySelector<HTMLElement>(`[data-row="${row}"][data-col="${col}"]`);
    if (!found) throw new Error(`no cell at ${row}, ${col}`);
    return found;
  };
  const stops = () =>
    cells().flatMap(({ tabIndex, dataset }) =>
      tabIndex === 0 ? [`${dataset.row} ${dataset.col}`] : [],
    );
  const press = (key: string) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    document.activeElement?.dispatchEvent(event);
    return event.defaultPrevented;
  };

  beforeEach(() => {
    root = document.createElement("div");
    document.body.append(root);
    props = {
      label: "effects",
      rows: ["L0", "L1"],
      cols: ["H0", "H1", "H2"],
      values: Float32Array.of(0, 0.5, 1, -1, Number.NaN, 2),
      ramp: { scale: diverging, hi: 2 },
      units: "logits",
      cell: (row, col) => ({
        name: `L${row}H${col}`,
        attributes: { "data-head": `L${row}H${col}` },
      }),
      selected: [{ row: 0, col: 1 }],
      onSelect: vi.fn(),
      onToggle: vi.fn(),
      onOpen: vi.fn(),
      onHover: vi.fn(),
    };
    show();
  });
  afterEach(() => {
    render(null, root);
    root.remove();
  });

  it("says a value's error without a sign, and its short name in the line below", () => {
    const errors = new Float32Array(6).fill(0.25);
    const format = (value: number) => `${value > 0 ? "+" : ""}${value}`;
    const named = () => ({ name: "output of L0H1, all positions", short: "L0H1" });
    show({ errors, format, cell: named, marked: [{ row: 0, col: 1 }], selected: [] });
    expect(cell(0, 1).getAttribute("aria-label")).toBe(
      "output of L0H1, all positions: +0.5 ± 0.25 logits",
    );
    expect(root.querySelector(".lw-map-readout")?.textContent).toBe("L0H1: +0.5 ± 0.25");
  });

  it("is a grid whose cells say their name, value and state", () => {
    const grid = root.querySelector("[role=grid]");
    expect(grid?.getAttribute("aria-rowcount")).toBe("2");
    expect(grid?.getAttribute("aria-colcount")).toBe("3");
    show({ ablated: (index) => index === 3 });
    expect(cell(0, 1).getAttribute("aria-label")).toMatch(/^L0H1: \+0\.5000 logits/);
    expect(cell(0, 1).getAttribute("aria-selected")).toBe("true");
    expect(cell(1, 0).getAttribute("aria-label")).toContain("ablated");
    expect(cell(1, 1).getAttribute("data-value")).toBe("");
    expect(cell(1, 1).dataset).toMatchObject({ state: "absent", head: "L1H1" });
  });

  it("has one stop for the Tab key, moved by arrows, Home, End and the page keys", () => {
    const [first] = stops();
    expect(stops()).toHaveLength(1);
    const [row = 0, col = 0] = (first ?? "").split(" ").map(Number);
    cell(row, col).focus();
    press("Home");
    press("PageUp");
    expect(stops()).toEqual(["0 0"]);
    press("ArrowDown");
    press("ArrowRight");
    expect([document.activeElement, stops()]).toEqual([cell(1, 1), ["1 1"]]);
    press("End");
    expect(props.onHover).toHaveBeenLastCalledWith({ row: 1, col: 2 });
  });

  it("toggles with space, opens with Enter, and Escape lets go", () => {
    cell(1, 2).focus();
    expect(press(" ")).toBe(true);
    expect(props.onToggle).toHaveBeenLastCalledWith({ row: 1, col: 2 });
    press("Enter");
    expect(props.onOpen).toHaveBeenLastCalledWith({ row: 1, col: 2 });
    expect(press("Escape")).toBe(true);
    expect(props.onSelect).toHaveBeenLastCalledWith([], null);
    show({ selected: [] });
    // Nothing is selected any more: Escape is the view's.
    expect(press("Escape")).toBe(false);
  });
});
