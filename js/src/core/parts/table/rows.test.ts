import { describe, expect, it } from "vitest";
import { ROW_HEIGHT, rowTo, rowTop, rowWindow, scrollToRow } from "./rows";

describe("the window of rows", () => {
  it("is everything for small tables", () => {
    expect(rowWindow(300, 5000, 400)).toEqual({ start: 0, end: 300, before: 0, after: 0 });
  });

  it("reaches every row of a large one and never changes the height", () => {
    const seen = new Set<number>();
    for (let top = 0; top <= 1056 * ROW_HEIGHT; top += 200) {
      const part = rowWindow(1056, top, 400);
      expect(part.before + part.after + (part.end - part.start) * ROW_HEIGHT).toBe(
        1056 * ROW_HEIGHT,
      );
      for (let i = part.start; i < part.end; i += 1) seen.add(i);
      expect(part.end - part.start).toBeLessThan(60);
    }
    expect(seen.size).toBe(1056);
  });

  it("counts in the height of an opened row, wherever it lies", () => {
    const whole = 1056 * ROW_HEIGHT + 200;
    for (const at of [0, 30, 500, 1055]) {
      const seen = new Set<number>();
      for (let top = 0; top <= whole; top += 150) {
        const part = rowWindow(1056, top, 400, { at, height: 200 });
        const shows = at >= part.start && at < part.end;
        const inside = (part.end - part.start) * ROW_HEIGHT + (shows ? 200 : 0);
        expect(part.before + inside + part.after).toBe(whole);
        for (let i = part.start; i < part.end; i += 1) seen.add(i);
      }
      expect(seen.size).toBe(1056);
    }
    expect(rowTop(3, { at: 3, height: 200 })).toBe(3 * ROW_HEIGHT);
    expect(rowTop(4, { at: 3, height: 200 })).toBe(4 * ROW_HEIGHT + 200);
  });

  it("scrolls just far enough to show a row between header and total", () => {
    const covered = { top: 30, bottom: 30 };
    expect(scrollToRow(3, 0, 400, covered)).toBe(0);
    expect(scrollToRow(3, 200, 400, covered)).toBe(3 * ROW_HEIGHT);
    expect(scrollToRow(20, 0, 400, covered)).toBe(21 * ROW_HEIGHT - 340);
  });
});

describe("keys", () => {
  it("move a row, a page, or to the ends", () => {
    expect(rowTo("ArrowDown", 3, 50, 10)).toBe(4);
    expect(rowTo("ArrowUp", 3, 50, 10)).toBe(2);
    expect(rowTo("PageDown", 3, 50, 10)).toBe(13);
    expect(rowTo("End", 3, 50, 10)).toBe(49);
    expect(rowTo("z", 3, 50, 10)).toBeNull();
  });

  it("enter the rows at the top", () => {
    expect(rowTo("ArrowDown", -1, 50, 10)).toBe(0);
  });
});
