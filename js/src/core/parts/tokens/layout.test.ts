import { describe, expect, it } from "vitest";
import { type Box, moveAmong } from "./layout";

/** Chips of the given widths, wrapped like text in a line of `room` pixels. */
function wrap(widths: number[], room: number): Box[] {
  const boxes: Box[] = [];
  let left = 0;
  let top = 0;
  for (const width of widths) {
    if (left > 0 && left + width > room) {
      left = 0;
      top += 30;
    }
    boxes.push({ left, top, width, height: 24 });
    left += width + 4;
  }
  return boxes;
}

describe("moving among wrapped chips", () => {
  const boxes = wrap([40, 40, 40, 90, 30, 40], 130); // lines: 0 1 2 | 3 4 | 5

  it("follows reading order to the left and right, across lines, and stops at the ends", () => {
    expect(moveAmong(boxes, 2, "ArrowRight")).toBe(3);
    expect(moveAmong(boxes, 3, "ArrowLeft")).toBe(2);
    expect(moveAmong(boxes, 0, "ArrowLeft")).toBe(0);
    expect(moveAmong(boxes, 5, "ArrowRight")).toBe(5);
  });

  it("goes up and down to the nearest chip of the next line only", () => {
    expect(moveAmong(boxes, 0, "ArrowDown")).toBe(3);
    expect(moveAmong(boxes, 2, "ArrowDown")).toBe(4);
    expect(moveAmong(boxes, 4, "ArrowUp")).toBe(2);
    expect(moveAmong(boxes, 5, "ArrowUp")).toBe(3);
    expect(moveAmong(boxes, 1, "ArrowUp")).toBe(1);
    expect(moveAmong(boxes, 5, "ArrowDown")).toBe(5);
  });

  it("knows both ends", () => {
    expect(moveAmong(boxes, 3, "Home")).toBe(0);
    expect(moveAmong(boxes, 3, "End")).toBe(5);
    expect(moveAmong([], 0, "ArrowRight")).toBe(-1);
  });
});
