import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { flush } from "../../state/flush";
import { RankedList } from "./ranked";

const items = ["a", "b", "c"].map((id, i) => ({ id, text: id, value: 1 - i, selected: i === 1 }));

describe("a ranked list", () => {
  const onPick = vi.fn();
  let root: HTMLElement;
  const show = (shown = items) =>
    flush(() => render(<RankedList title="heads" items={shown} hi={1} onPick={onPick} />, root));
  const buttons = () => [...root.querySelectorAll("button")];
  const stops = () =>
    buttons().flatMap(({ tabIndex, dataset }) => (tabIndex === 0 ? [dataset.item] : []));
  const press = (key: string) =>
    document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

  beforeEach(() => {
    root = document.createElement("div");
    document.body.append(root);
    show();
  });
  afterEach(() => {
    render(null, root);
    root.remove();
  });

  it("has one stop for the Tab key: the selected item, then the one that has the focus", () => {
    expect(stops()).toEqual(["b"]);
    buttons()[1]?.focus();
    press("ArrowDown");
    expect([document.activeElement, stops()]).toEqual([buttons()[2], ["c"]]);
    press("Home");
    expect(stops()).toEqual(["a"]);
    show(items.slice(1));
    expect(stops()).toEqual(["b"]);
  });

  it("says which item is selected, and picks with a click", () => {
    expect(buttons().map((button) => button.getAttribute("aria-pressed"))).toEqual([
      "false",
      "true",
      "false",
    ]);
    buttons()[2]?.click();
    expect(onPick).toHaveBeenLastCalledWith(items[2]);
  });

  it("is plain where nothing can be picked", () => {
    flush(() => render(<RankedList title="heads" items={items} hi={1} />, root));
    expect(buttons()).toEqual([]);
    expect(root.querySelectorAll("li [data-value]")).toHaveLength(3);
  });
});
