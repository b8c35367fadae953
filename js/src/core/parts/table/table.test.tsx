import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { flush } from "../../state/flush";
import { type Column, DataTable, type DataTableProps } from "./table";

interface Part {
  name: string;
  value: number | null;
}

const cell = vi.fn(({ value }: Part) => ({ content: `v${value}`, value }));
const columns: readonly Column<Part, "part" | "value">[] = [
  { id: "part", head: "part", names: true, cell: ({ name }) => ({ content: name }) },
  { id: "value", head: "value", numeric: true, cell, total: () => ({ content: "3", value: 3 }) },
];

describe("a table", () => {
  let root: HTMLElement;
  let props: DataTableProps<Part, "part" | "value">;
  const show = (change: Partial<typeof props> = {}) => {
    props = { ...props, ...change };
    flush(() => render(<DataTable {...props} />, root));
  };
  const find = (selector: string): HTMLElement => {
    const found = root.querySelector<HTMLElement>(selector);
    if (!found) throw new Error(`nothing is ${selector}`);
    return found;
  };
  const row = (name: string) => find(`[data-row-key="${name}"]`);
  const stops = () =>
    [...root.querySelectorAll<HTMLElement>("[data-row-key]")]
      .filter(({ tabIndex }) => tabIndex === 0)
      .map(({ dataset }) => dataset.rowKey);
  const press = (key: string) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    document.activeElement?.dispatchEvent(event);
    return event.defaultPrevented;
  };

  beforeEach(() => {
    root = document.createElement("div");
    document.body.append(root);
    props = {
      label: "parts",
      columns,
      rows: ["a", "b", "c"].map((name, value) => ({ name, value })),
      keyOf: ({ name }) => name,
      deps: ({ value }) => [value],
      attributes: ({ name }) => ({ "data-component": name }),
      choice: { selected: "b", can: ({ name }) => name !== "c" },
      onChoose: vi.fn(),
      onToggle: vi.fn(),
      onPreview: vi.fn(),
    };
    show();
  });
  afterEach(() => {
    render(null, root);
    root.remove();
  });

  it("has one stop for the Tab key, which follows the focus from row to row", () => {
    expect(stops()).toEqual(["b"]);
    row("a").focus();
    press("ArrowDown");
    expect([document.activeElement, stops()]).toEqual([row("b"), ["b"]]);
    press("End");
    press("ArrowDown");
    expect([document.activeElement, stops()]).toEqual([row("c"), ["c"]]);
    press("Home");
    expect(stops()).toEqual(["a"]);
    // The row that had the focus is still the one after it was sorted elsewhere.
    show({ rows: [...props.rows].reverse() });
    expect(stops()).toEqual(["a"]);
    show({ rows: [{ name: "z", value: 1 }] });
    expect(stops()).toEqual(["z"]);
  });

  it("chooses with a click or Enter, toggles with space, and previews what is pointed at", () => {
    row("b").click();
    expect(props.onChoose).toHaveBeenLastCalledWith(props.rows[1]);
    row("a").focus();
    expect(props.onPreview).toHaveBeenLastCalledWith(props.rows[0]);
    expect(press("Enter")).toBe(true);
    expect(props.onChoose).toHaveBeenLastCalledWith(props.rows[0]);
    expect(press(" ")).toBe(true);
    expect(props.onToggle).toHaveBeenLastCalledWith(props.rows[0]);
    expect(press("z")).toBe(false);
  });

  it("opens a row below it with the right arrow and closes it with the left one or Escape", () => {
    const turn = (key: string | null) =>
      show({
        open: {
          isOpen: ({ name }) => (name === "a" ? name === key : null),
          onTurn: ({ name }, open) => turn(open ? name : null),
          button: (name) => `what ${name} is made of`,
          detail:
            key === null
              ? null
              : { of: key, content: <button type="button">inside</button>, height: 50 },
        },
      });
    turn(null);
    const opener = () => row("a").querySelector("button");
    expect(opener()?.getAttribute("aria-label")).toBe("what a is made of");
    expect(row("b").querySelector("button")).toBeNull();
    row("a").focus();
    press("ArrowRight");
    expect(opener()?.getAttribute("aria-expanded")).toBe("true");
    expect(find(".lw-table-detail").textContent).toBe("inside");
    press("ArrowLeft");
    expect(root.querySelector(".lw-table-detail")).toBeNull();
    opener()?.click();
    expect(props.onChoose).toHaveBeenLastCalledWith(props.rows[0]);
    // Keys inside the detail are its own.
    find(".lw-table-detail button").focus();
    expect(press("ArrowDown")).toBe(false);
    row("a").focus();
    expect(press("Escape")).toBe(true);
    expect(root.querySelector(".lw-table-detail")).toBeNull();
    expect(press("Escape")).toBe(false);
  });

  it("can be a tree: whole rows open, and the left arrow goes to the row above", () => {
    const all = ["a", "a1", "a2", "b"].map((name, value) => ({ name, value }));
    const turn = (isOpen: boolean) =>
      show({
        rows: all.filter(({ name }) => isOpen || name.length === 1),
        level: ({ name }) => name.length,
        choice: { selected: null, can: ({ name }) => name.length > 1 },
        open: {
          isOpen: ({ name }) => (name === "a" ? isOpen : null),
          onTurn: (_, open) => turn(open),
        },
      });
    turn(false);
    expect(find('[role="treegrid"]').querySelector("button")).toBeNull();
    expect(row("a").getAttribute("aria-expanded")).toBe("false");
    row("a").click();
    expect(row("a").getAttribute("aria-expanded")).toBe("true");
    expect(props.onChoose).not.toHaveBeenCalled();
    row("a2").focus();
    expect(row("a2").getAttribute("aria-level")).toBe("2");
    press("ArrowLeft");
    expect(document.activeElement).toBe(row("a"));
    press("ArrowLeft");
    expect(root.querySelector('[data-row-key="a1"]')).toBeNull();
    press("Enter");
    row("a1").focus();
    press("Enter");
    expect(props.onChoose).toHaveBeenLastCalledWith(all[1]);
  });

  it("sorts by its headers, and says the order", () => {
    const onSort = vi.fn();
    show({ sort: { column: "value", direction: "descending", stale: false, onSort } });
    find('[data-sort-column="part"] button').click();
    expect(onSort).toHaveBeenCalledWith("part");
    const sorted = () => find('[data-sort-column="value"]').getAttribute("aria-sort");
    expect(sorted()).toBe("descending");
    show({ sort: { column: "value", direction: "descending", stale: true, onSort } });
    expect(sorted()).toBe("other");
    const unsorted = columns.map((column) => ({ ...column, unsorted: column.id === "part" }));
    show({ columns: unsorted });
    expect(root.querySelector('[data-sort-column="part"]')).toBeNull();
    expect(root.querySelectorAll(".lw-table-sort").length).toBe(1);
  });

  it("says names, values and which rows can be chosen", () => {
    show({ total: { title: "sum", "data-component": "total" } });
    expect(find('[role="grid"]').getAttribute("aria-rowcount")).toBe("5");
    expect(row("b").getAttribute("aria-selected")).toBe("true");
    expect(row("c").getAttribute("aria-selected")).toBeNull();
    expect(row("b").getAttribute("aria-rowindex")).toBe("3");
    expect(row("b").querySelector('[role="rowheader"]')?.textContent).toBe("b");
    expect(find('[data-component="b"] [data-column="value"]').dataset.value).toBe("1");
    expect(find('[data-component="total"] [data-column="value"]').dataset.value).toBe("3");
    show({ rows: [{ name: "a", value: null }] });
    expect(find('[data-component="a"] [data-column="value"]').dataset.value).toBe("");
  });

  it("renders again only the rows whose values differ", () => {
    cell.mockClear();
    show({ rows: props.rows.map((one) => ({ ...one, value: one.name === "b" ? 9 : one.value })) });
    expect(cell.mock.calls.map(([{ name }]) => name)).toEqual(["b"]);
  });

  it("puts only what is near of a long table into the page", () => {
    const rows = Array.from({ length: 1000 }, (_, value) => ({ name: `r${value}`, value }));
    show({ rows });
    expect(root.querySelectorAll("[data-row-key]").length).toBeLessThan(100);
    row("r0").focus();
    press("End");
    expect(document.activeElement).toBe(row("r999"));
  });
});
