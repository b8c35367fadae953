import { describe, expect, it } from "vitest";
import { arrangement, blockOf } from "./layout";

describe("a map of all pairs of heads", () => {
  it("stands beside its list while heads can be told apart", () => {
    expect(arrangement(944, 3, 8)).toEqual({ shows: "heads", stacked: false });
    expect(arrangement(944, 11, 12)).toEqual({ shows: "heads", stacked: false });
  });

  it("takes the whole width for 270 heads beside a file browser", () => {
    expect(arrangement(944, 29, 9)).toEqual({ shows: "heads", stacked: true });
    expect(arrangement(874, 29, 9)).toEqual({ shows: "heads", stacked: true });
  });

  it("is one of layers where heads would be thinner than three pixels, or too many to send", () => {
    expect(arrangement(574, 29, 9)).toEqual({ shows: "layers", stacked: true });
    expect(arrangement(944, 31, 32)).toEqual({ shows: "layers", stacked: false });
    expect(arrangement(6000, 31, 32)).toMatchObject({ shows: "layers" });
  });

  it("opens into the heads of two layers", () => {
    const scores = Float32Array.from({ length: 3 * 2 * 2 }, (_, i) => i);
    expect([...blockOf(scores, 1, 2)]).toEqual([4, 5, 6, 7]);
  });
});
