import { describe, expect, it } from "vitest";
import { MAX_REPLY_BYTES } from "../../generated/messages";
import { wholeView } from "./layout";
import { type Picture, tilesOf, weightAt } from "./picture";
import { isInside, rangeOf, squareRange } from "./range";
import { exactSquare, LARGEST_SQUARE, roundedWords } from "./square";
import { zoomAt } from "./zoom";

describe("what is asked for exactly", () => {
  it("is a cell, a row or a column", () => {
    const ends = ({ q, k }: { q: number | null; k: number | null }) =>
      Object.values(rangeOf({ q, k }, 9));
    expect(ends({ q: 3, k: 5 })).toEqual([3, 4, 5, 6]);
    expect(ends({ q: 3, k: null })).toEqual([3, 4, 0, 9]);
    expect(ends({ q: null, k: 8 })).toEqual([0, 9, 8, 9]);
    expect(Object.values(squareRange({ q0: 2, k0: 4, span: 3 }))).toEqual([2, 5, 4, 7]);
  });

  it("fits a message, just", () => {
    const bytes = (side: number) => 4 * (side * side + 2 * side);
    expect(bytes(LARGEST_SQUARE)).toBeLessThanOrEqual(MAX_REPLY_BYTES);
    expect(bytes(LARGEST_SQUARE + 1)).toBeGreaterThan(MAX_REPLY_BYTES);
  });

  it("is nothing of the whole, of too much, or of patterns that are exact", () => {
    expect(exactSquare(null, 700)).toBeNull();
    expect(exactSquare({ q0: 0, k0: 0, span: 499 }, 700)).toBeNull();
    expect(exactSquare({ q0: 0, k0: 0, span: 100 }, LARGEST_SQUARE)).toBeNull();
    expect(exactSquare({ q0: 0, k0: 0, span: 100 }, LARGEST_SQUARE + 1)).not.toBeNull();
  });

  it.each([500, 700, 1024, 2048])(
    "holds what is on show of %i positions, whole cells of it",
    (n) => {
      for (let step = 0; step < 60; step++) {
        const at = (n * ((step * 37) % 61)) / 60;
        const zoom = zoomAt(wholeView(n), n, 1.1 + step / 8, at, n - at);
        const square = exactSquare(zoom, n);
        expect(square === null).toBe(Math.ceil(zoom.span) + 1 > LARGEST_SQUARE);
        if (!square) continue;
        const { q0, k0, span } = square;
        expect(isInside(zoom, square)).toBe(true);
        expect(isInside(square, wholeView(n))).toBe(true);
        expect(span).toBeLessThanOrEqual(LARGEST_SQUARE);
        expect([q0, k0, span].every(Number.isInteger)).toBe(true);
      }
    },
  );
});

/** Four positions in blocks of two, of which the exact square from (1, 2) is known. */
const picture: Picture = {
  ...{ q0: 0, k0: 0, span: 4, pool: 2, exact: false, answer: null },
  values: { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
  part: {
    ...{ q0: 1, k0: 2, span: 2, pool: 1 },
    values: { shape: [2, 2], data: Float32Array.of(0.1, Number.NaN, 0.3, 0.4) },
  },
};

describe("a pattern that is exact in part", () => {
  it("tells exact cells from others", () => {
    const [low, high] = [0.1, 0.4].map(Math.fround);
    expect(weightAt(picture, 1, 2)).toEqual({ value: low, exact: true });
    expect(weightAt(picture, 1, 3)).toEqual({ value: Number.NaN, exact: true });
    expect(weightAt(picture, 2, 3)).toEqual({ value: high, exact: true });
    expect(weightAt(picture, 3, 3)).toEqual({ value: Number.NaN, exact: false });
    expect(weightAt({ ...picture, pool: 1, part: null }, 0, 1)).toEqual({ value: 2, exact: false });
    expect(weightAt(null, 0, 0).exact).toBe(false);
    expect(tilesOf(picture)).toEqual([picture, picture.part]);
    expect(tilesOf(null)).toEqual([]);
  });

  it("says what is rounded, and what makes it exact", () => {
    const zoom = { q0: 1, k0: 2, span: 2 };
    const told = (
      ...[shown, live = true, preview = false]: [typeof zoom | null, boolean?, boolean?]
    ) => roundedWords([picture, null], shown, 700, live, preview);
    expect(told(zoom)).toBe("Cells on show are exact.");
    expect(told(null)).toBe(
      "Cells are rounded, each the largest of 2 × 2; zoom in for exact ones.",
    );
    expect(told({ ...zoom, span: 3 })).toMatch(/when the zoom rests\.$/);
    expect(told({ ...zoom, span: 3 }, true, true)).toMatch(/choose the head for exact ones\.$/);
    expect(told({ ...zoom, span: 3 }, false)).toMatch(/exact ones need a running kernel\.$/);
    expect(roundedWords([{ ...picture, exact: true }, null], zoom, 700, true, false)).toBe("");
    expect(roundedWords([picture, null], zoom, 400, true, false)).toBe("");
    const other = { ...picture, part: null };
    expect(roundedWords([picture, other], zoom, 700, true, false)).toMatch(/^Cells are rounded/);
  });
});
