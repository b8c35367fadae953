import { describe, expect, it } from "vitest";
import {
  cellAt,
  elide,
  gridLayout,
  headsColumn,
  labelStep,
  panTo,
  plotLayout,
  poolMax,
  reveal,
  thumbnailAt,
  wholeView,
  wrapHeads,
} from "./layout";
import { zoomAt } from "./zoom";

describe("gridLayout", () => {
  it.each([
    [4, 8, 340],
    [12, 12, 370],
    [12, 12, 700],
    [2, 2, 300],
    [1, 1, 300],
  ])("%i x %i heads fit into %i px", (layers, heads, width) => {
    const layout = gridLayout(layers, heads, width, 560);
    expect(layout.width).toBeLessThanOrEqual(width);
    expect(layout.height).toBeLessThanOrEqual(560);
  });

  it("says that it does not fit instead of shrinking below a size that can be clicked", () => {
    const layout = gridLayout(32, 32, 370, 560);
    expect(layout.cell).toBe(20);
    expect(layout.fits).toBe(false);
  });

  it("puts layers side by side where that makes thumbnails larger", () => {
    const layout = gridLayout(30, 9, 940, 560);
    expect(layout.blocks).toBeGreaterThan(1);
    expect(layout.cell).toBeGreaterThanOrEqual(28);
    expect(layout.width).toBeLessThanOrEqual(940);
    expect(layout.height).toBeLessThanOrEqual(560);
    const places = Array.from({ length: 30 }, (_, layer) => thumbnailAt(layout, 9, layer, 8));
    for (const { x, y } of places) {
      expect(x + layout.cell).toBeLessThanOrEqual(layout.width);
      expect(y + layout.cell).toBeLessThanOrEqual(layout.height);
    }
    expect(new Set(places.map(({ x, y }) => `${x} ${y}`)).size).toBe(30);
  });

  it("does not blow up few heads", () => {
    expect(gridLayout(2, 2, 1500, 560).cell).toBe(84);
  });
});

describe("the explorer's column of heads", () => {
  it.each([
    [12, 12, 317],
    [30, 9, 317],
    [24, 16, 480],
  ])("%i x %i heads are all there at %i px", (layers, heads, width) => {
    const wanted = headsColumn(layers, heads, 660);
    const layout = gridLayout(layers, heads, Math.min(width, wanted) - 28, 660);
    expect(layout.fits).toBe(true);
    expect(layout.blocks).toBe(1);
  });

  it("wraps the heads of one layer into what is left", () => {
    for (const [heads, width, room] of [
      [32, 290, 110],
      [9, 290, 110],
      [64, 340, 130],
    ] as const) {
      const layout = wrapHeads(heads, width, room);
      expect(layout.cell).toBeGreaterThanOrEqual(20);
      expect(layout.width).toBeLessThanOrEqual(width);
      expect(layout.height).toBeLessThanOrEqual(room);
    }
  });
});

describe("plotLayout", () => {
  it("gives every cell whole pixels while they fit", () => {
    const { side } = plotLayout(500, 620, 15, 60);
    expect(side % 15).toBe(0);
  });

  it("uses the whole square for long prompts", () => {
    expect(plotLayout(500, 620, 512, 60).side).toBe(416);
  });
});

describe("zoom", () => {
  it("keeps the point under the pointer and stays inside", () => {
    const zoom = zoomAt(wholeView(512), 512, 4, 128, 300);
    expect(zoom.span).toBe(128);
    expect((128 - zoom.q0) / zoom.span).toBeCloseTo(128 / 512);
    expect((300 - zoom.k0) / zoom.span).toBeCloseTo(300 / 512);
    const edge = zoomAt(wholeView(512), 512, 4, 512, 512);
    expect([edge.q0, edge.k0]).toEqual([384, 384]);
  });

  it("ends at the whole pattern and at eight positions", () => {
    expect(zoomAt(wholeView(512), 512, 1000, 5, 5).span).toBe(8);
    expect(zoomAt({ q0: 3, k0: 3, span: 8 }, 512, 0.001, 5, 5)).toEqual(wholeView(512));
  });

  it("pans inside and follows the keyboard's cursor", () => {
    expect(panTo({ q0: -5, k0: 600, span: 100 }, 512)).toEqual({ q0: 0, k0: 412, span: 100 });
    expect(reveal({ q0: 0, k0: 0, span: 100 }, 512, 120, 50)).toEqual({ q0: 21, k0: 0, span: 100 });
  });
});

it("finds the cell under the pointer", () => {
  const layout = plotLayout(500, 620, 10, 60);
  const pixels = layout.side / 10;
  const whole = wholeView(10);
  expect(cellAt(layout.left + 3.5 * pixels, 7.5 * pixels, layout, whole, 10)).toEqual({
    q: 7,
    k: 3,
  });
  expect(cellAt(layout.left - 1, 5, layout, whole, 10)).toBeNull();
  expect(cellAt(layout.left + 5, layout.side, layout, whole, 10)).toBeNull();
  expect(cellAt(layout.left, 0, layout, { q0: 4, k0: 2, span: 5 }, 10)).toEqual({ q: 4, k: 2 });
});

it("thins names so that they do not touch", () => {
  expect(labelStep(20, 13)).toBe(1);
  expect(labelStep(4, 13)).toBe(5);
  expect(labelStep(0.8, 13)).toBe(20);
});

it("cuts names between characters", () => {
  expect(elide("·short", 8)).toBe("·short");
  expect(elide("·🙂🙂🙂🙂🙂", 4)).toBe("·🙂🙂…");
});

it("pools to the largest magnitude with its sign", () => {
  const pooled = poolMax(Float32Array.of(0, 1, 0, -3, 0, 2, 0, 0, 0.5), 3, 2);
  expect([...pooled]).toEqual([-3, 2, 0, 0.5]);
});
