import { describe, expect, it } from "vitest";
import { ofRun, withTotals } from "./totals";

describe("the parts of a score", () => {
  it("get a row and a column of sums, whose corner is the score", () => {
    const parts = Float32Array.of(1, 2, -3, 0.5);
    expect([...withTotals(parts, 2)]).toEqual([1, 2, 3, -3, 0.5, -2.5, -2, 2.5, 0.5]);
    expect([...withTotals(new Float32Array(0), 0)]).toEqual([0]);
  });

  it("are of one run or the difference of both", () => {
    const [now, before] = [Float32Array.of(3, 1), Float32Array.of(1, 2)];
    expect([...ofRun("difference", now, before)]).toEqual([2, -1]);
    expect(ofRun("current", now, before)).toBe(now);
    expect(ofRun("baseline", now, before)).toBe(before);
  });
});
