import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { flush } from "../../state/flush";
import { HeadGrid, type HeadGridProps } from "./grid";

describe("a grid of heads", () => {
  let root: HTMLElement;
  let props: HeadGridProps;
  const show = (change: Partial<HeadGridProps> = {}) => {
    props = { ...props, ...change };
    flush(() => render(<HeadGrid {...props} />, root));
  };
  const cells = () => [...root.querySelectorAll<HTMLElement>("[data-cell]")];
  const cell = (place: string): HTMLElement => {
    const found = root.querySelector<HTMLElement>(`[data-cell="${place}"]`);
    if (!found) throw new Error(`no cell at ${place}`);
    return found;
  };
  const stops = () => cells().flatMap((one) => (one.tabIndex === 0 ? [one.dataset.cell] : []));
  const press = (key: string) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    document.activeElement?.dispatchEvent(event);
    return event.defaultPrevented;
  };

  beforeEach(() => {
    root = document.createElement("div");
    document.body.append(root);
    props = {
      label: "heads",
      layers: 3,
      heads: 4,
      size: { label: 30, width: 20, height: 20, gap: 2, mlp: 40 },
      cells: "choice",
      look: (layer, column) => ({ title: `${layer} ${column}`, value: layer + column / 10 }),
      ablated: new Set(),
      selected: { layer: 1, head: 2 },
      onChoose: vi.fn(),
      onToggle: vi.fn(),
      onPreview: vi.fn(),
      onOpen: vi.fn(),
    };
    show();
  });
  afterEach(() => {
    render(null, root);
    root.remove();
  });

  it("has one stop for the Tab key: the selected head, then the cell that has the focus", () => {
    expect(stops()).toEqual(["1 2"]);
    cell("1 2").focus();
    press("ArrowDown");
    press("Home");
    expect([document.activeElement, stops()]).toEqual([cell("2 0"), ["2 0"]]);
    press("PageUp");
    press("End");
    expect(stops()).toEqual(["0 3"]);
  });

  it("previews what is under mouse or focus, once each, and ends when left", () => {
    cell("0 1").dispatchEvent(new Event("pointerover", { bubbles: true }));
    cell("0 1").dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(props.onPreview).toHaveBeenCalledTimes(1);
    cell("0 1").focus();
    press("ArrowRight");
    expect(props.onPreview).toHaveBeenLastCalledWith({ layer: 0, head: 2 });
    root.querySelector("[role=grid]")?.dispatchEvent(new Event("pointerleave"));
    expect(props.onPreview).toHaveBeenLastCalledWith(null);
  });

  it("chooses with a click, toggles with space and opens with a double click", () => {
    cell("2 3").dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
    expect(props.onChoose).toHaveBeenLastCalledWith({ layer: 2, column: 3 }, true);
    cell("2 3").focus();
    expect(press(" ")).toBe(true);
    expect(props.onToggle).toHaveBeenLastCalledWith("L2H3");
    cell("0 0").dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    expect(props.onOpen).toHaveBeenLastCalledWith({ layer: 0, head: 0 });
  });

  it("leaves Escape to the view unless it has a use for it", () => {
    cell("0 0").focus();
    expect(press("Escape")).toBe(false);
    const onEscape = vi.fn();
    show({ onEscape });
    expect(press("Escape")).toBe(true);
    expect(onEscape).toHaveBeenCalledOnce();
  });

  it("says what a cell is: its name, whether it is selected, compared or ablated", () => {
    show({
      ablated: new Set(["L1H2", "L0.attn"]),
      selectedNote: ", kept",
      compared: { layer: 2, head: 1 },
    });
    const name = (place: string) => cell(place).getAttribute("aria-label");
    expect(name("1 2")).toBe("L1H2, selected, kept, ablated");
    expect(name("2 1")).toBe("L2H1, compared");
    expect(name("0 3")).toBe("L0H3, ablated");
    expect(cell("1 2").getAttribute("role")).toBe("gridcell");
    expect(cell("1 2").getAttribute("aria-selected")).toBe("true");
    expect(cell("2 3").dataset).toMatchObject({ head: "L2H3", value: "2.3" });
  });

  it("shows switches, also for MLPs, which say whether they are on", () => {
    show({ cells: "switch", mlpLayers: new Set([0, 2]), ablated: new Set(["L2.mlp", "L0.attn"]) });
    expect(cells()).toHaveLength(14);
    const mlp = cell("2 4");
    expect(mlp.getAttribute("role")).toBe("switch");
    expect(mlp.getAttribute("aria-label")).toBe("ablate L2.mlp");
    expect(mlp.getAttribute("aria-checked")).toBe("true");
    expect([mlp.dataset.component, mlp.dataset.head]).toEqual(["L2.mlp", undefined]);
    // A switch says what it does itself; what its layer's switch does is not its own state.
    expect(cell("0 1").getAttribute("aria-checked")).toBe("false");
    cell("2 3").focus();
    press("ArrowRight");
    expect(document.activeElement).toBe(mlp);
    press(" ");
    expect(props.onToggle).toHaveBeenLastCalledWith("L2.mlp");
    expect(props.onPreview).toHaveBeenLastCalledWith(null);
  });

  it("renders again only the layers that a click touches", () => {
    const look = vi.fn(props.look);
    show({ look });
    look.mockClear();
    show({ selected: { layer: 2, head: 0 } });
    expect(new Set(look.mock.calls.map(([layer]) => layer))).toEqual(new Set([1, 2]));
  });
});
