import { describe, expect, it } from "vitest";
import {
  BAR,
  cellRect,
  cellUnder,
  everyFitting,
  type MapInput,
  mapLayout,
  scrollTo,
  visible,
} from "./layout";
import { afterBrush, afterClick, cellsBetween } from "./select";

const HEADS: MapInput = {
  rows: 12,
  cols: 12,
  width: 900,
  maxHeight: 460,
  rowNames: 20,
  colNames: 22,
  titled: true,
  square: false,
};
const LONG: MapInput = { ...HEADS, rows: 24, cols: 1024, colNames: 46 };

describe("the layout of a map", () => {
  it("fits a small map without scrolling and names every row and column", () => {
    const layout = mapLayout(HEADS);
    expect(layout.width).toBeLessThanOrEqual(900);
    expect([layout.viewWidth, layout.viewHeight]).toEqual([layout.width, layout.height]);
    expect([layout.everyRow, layout.everyCol, layout.rotated]).toEqual([1, 1, false]);
  });

  it("shrinks cells before it scrolls", () => {
    const narrow = mapLayout({ ...HEADS, width: 300 });
    expect(narrow.cellWidth).toBeLessThan(mapLayout(HEADS).cellWidth);
    expect(narrow.width).toBeLessThanOrEqual(300);
    const many = mapLayout({ ...HEADS, rows: 32, cols: 32, width: 480 });
    expect(many.cellWidth).toBeGreaterThanOrEqual(11);
    expect(many.viewHeight).toBeLessThanOrEqual(460);
  });

  it("shows all heads of a large model at once, beside four other maps", () => {
    for (const [layers, heads, width] of [
      [30, 9, 118],
      [30, 3, 118],
      [32, 32, 204],
      [48, 16, 150],
    ] as const) {
      const layout = mapLayout({ ...HEADS, rows: layers, cols: heads, width, titled: false });
      expect([layout.viewWidth, layout.viewHeight]).toEqual([layout.width, layout.height]);
      expect(layout.width).toBeLessThanOrEqual(width);
      expect(layout.cellHeight).toBeGreaterThanOrEqual(8);
      expect(layout.everyRow * layout.cellHeight).toBeGreaterThanOrEqual(11);
    }
  });

  it("has rows of the same height beside a map of fewer and wider columns", () => {
    const beside = { ...HEADS, width: 170, rowHeight: 16 };
    const [few, many] = [3, 9].map((cols) => mapLayout({ ...beside, cols }));
    expect(few?.cellWidth).toBeGreaterThan(2 * (many?.cellWidth ?? 0));
    expect(few?.cellHeight).toBe(many?.cellHeight);
  });

  it("shows all pairs of 270 heads at once, three pixels each, and names their layers", () => {
    const pairs = { ...HEADS, rows: 261, cols: 261, rowNames: 40, colNames: 40, grouped: true };
    const layout = mapLayout({ ...pairs, width: 944, maxHeight: 840, square: true });
    expect([layout.cellWidth, layout.cellHeight, layout.rotated]).toEqual([3, 3, false]);
    expect([layout.viewWidth, layout.viewHeight]).toEqual([layout.width, layout.height]);
  });

  it("gives the scrollbar of one direction room, so that the other needs none", () => {
    const layout = mapLayout({ ...HEADS, rows: 150, cols: 10, width: 400 });
    expect(layout.viewHeight).toBeLessThan(layout.height);
    expect(layout.viewWidth).toBe(layout.width);
    expect(layout.width + BAR).toBeLessThanOrEqual(400);
  });

  it("turns long names upwards and leaves some out, so that none touch", () => {
    const layout = mapLayout({ ...HEADS, cols: 30, colNames: 46 });
    expect(layout.rotated).toBe(true);
    expect(layout.everyCol * layout.cellWidth).toBeGreaterThanOrEqual(14);
    expect(layout.bottom).toBeGreaterThan(46);
    const short = mapLayout({ ...HEADS, cols: 32, width: 600 });
    expect(short.rotated).toBe(false);
    expect(short.everyCol * short.cellWidth).toBeGreaterThanOrEqual(28);
  });

  it("scrolls a very large map inside the view's width", () => {
    const layout = mapLayout(LONG);
    expect(layout.cellWidth).toBe(2);
    expect([layout.viewWidth, layout.width > 2000]).toEqual([900, true]);
    const sight = visible(layout, { x: 1000, y: 0 });
    expect(sight.col0).toBe(500);
    expect(sight.col1 - sight.col0).toBeLessThan(450);
  });

  it("finds the cell that is drawn at a point, scrolled or not", () => {
    for (const input of [HEADS, LONG]) {
      const layout = mapLayout(input);
      for (const scroll of [
        { x: 0, y: 0 },
        { x: Math.min(333, layout.width - layout.viewWidth), y: 0 },
      ]) {
        const { row0, row1, col0, col1 } = visible(layout, scroll);
        for (const cell of [
          { row: row0 + 1, col: col0 + 1 },
          { row: row1 - 1, col: col1 - 2 },
        ]) {
          const { x, y, width, height } = cellRect(cell, layout);
          const point = [x + width / 2 - scroll.x, y + height / 2 - scroll.y] as const;
          expect(cellUnder(...point, layout, scroll)).toEqual(cell);
        }
        expect(cellUnder(layout.left - 3, 10, layout, scroll)).toBeNull();
        expect(cellUnder(layout.left + 3, layout.viewHeight - 5, layout, scroll)).toBeNull();
      }
    }
  });

  it("brings a cell into sight with the least scrolling", () => {
    const layout = mapLayout(LONG);
    const start = { x: 0, y: 0 };
    expect(scrollTo({ row: 3, col: 5 }, layout, start)).toEqual(start);
    const far = scrollTo({ row: 3, col: 900 }, layout, start);
    const { col0, col1 } = visible(layout, far);
    expect([col0 <= 900, col1]).toEqual([true, 901]);
    expect(scrollTo({ row: 3, col: 890 }, layout, far)).toEqual(far);
  });

  it.each([
    [14, 20, 1],
    [28, 11, 5],
    [40, 11, 5],
    [60, 4, 20],
  ])("gives %i px of name at %i px a cell every %i", (needed, cell, every) => {
    expect(everyFitting(needed, cell)).toBe(every);
  });
});

describe("a map's selection", () => {
  const [a, b] = [
    { row: 0, col: 1 },
    { row: 2, col: 2 },
  ];

  it("is the clicked cell, and none when that is clicked again", () => {
    expect(afterClick([], a, false)).toEqual([a]);
    expect(afterClick([a], b, false)).toEqual([b]);
    expect(afterClick([a], { ...a }, false)).toEqual([]);
    expect(afterClick([a, b], a, false)).toEqual([a]);
  });

  it("grows and shrinks by shift clicks", () => {
    expect(afterClick([a], b, true)).toEqual([a, b]);
    expect(afterClick([a, b], { ...a }, true)).toEqual([b]);
  });

  it("is a rectangle after a drag, in whichever direction", () => {
    expect(cellsBetween(b, a)).toHaveLength(6);
    expect(afterBrush([], b, a, false)).toEqual(afterBrush([], a, b, false));
    expect(afterBrush([a], { row: 0, col: 0 }, a, true)).toEqual([a, { row: 0, col: 0 }]);
  });
});
