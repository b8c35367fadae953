import { describe, expect, it } from "vitest";
import { historyKey, moveInGrid, moveInList } from "./keyboard";

describe("moveInGrid", () => {
  const from = { row: 1, col: 1 };
  it.each([
    ["ArrowUp", { row: 0, col: 1 }],
    ["ArrowDown", { row: 2, col: 1 }],
    ["ArrowLeft", { row: 1, col: 0 }],
    ["ArrowRight", { row: 1, col: 2 }],
    ["Home", { row: 1, col: 0 }],
    ["End", { row: 1, col: 3 }],
    ["PageUp", { row: 0, col: 1 }],
    ["PageDown", { row: 2, col: 1 }],
  ])("%s", (key, to) => expect(moveInGrid(key, from, 3, 4)).toEqual(to));

  it("stops at the edges and leaves other keys alone", () => {
    expect(moveInGrid("ArrowUp", { row: 0, col: 0 }, 3, 4)).toEqual({ row: 0, col: 0 });
    expect(moveInGrid("ArrowRight", { row: 2, col: 3 }, 3, 4)).toEqual({ row: 2, col: 3 });
    expect(moveInGrid("z", from, 3, 4)).toBeNull();
  });
});

describe("moving in a list", () => {
  it("goes up, down and to the ends, and leaves other keys alone", () => {
    expect(moveInList("ArrowDown", 1, 5)).toBe(2);
    expect(moveInList("ArrowDown", 4, 5)).toBe(4);
    expect(moveInList("ArrowUp", 0, 5)).toBe(0);
    expect(moveInList("Home", 3, 5)).toBe(0);
    expect(moveInList("End", 3, 5)).toBe(4);
    for (const key of ["ArrowLeft", "ArrowRight", "PageUp", "x"]) {
      expect(moveInList(key, 3, 5)).toBeNull();
    }
  });
});

describe("historyKey", () => {
  const press = (init: KeyboardEventInit, on: HTMLElement = document.createElement("div")) => {
    let step: ReturnType<typeof historyKey> = null;
    on.addEventListener("keydown", (event) => {
      step = historyKey(event);
    });
    on.dispatchEvent(new KeyboardEvent("keydown", init));
    return step;
  };

  it("undoes on z and redoes on shift+z", () => {
    expect(press({ key: "z" })).toBe("undo");
    expect(press({ key: "Z", shiftKey: true })).toBe("redo");
  });

  it("leaves ctrl+z and text fields to the browser", () => {
    expect(press({ key: "z", ctrlKey: true })).toBeNull();
    expect(press({ key: "z" }, document.createElement("textarea"))).toBeNull();
  });
});
