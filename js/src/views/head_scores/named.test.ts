import { expect, test } from "vitest";
import { namedHeads } from "./named";

test("heads are listed by kind from the threshold on, highest first", () => {
  const scores = new Float32Array([0.1, 0.5, Number.NaN, 0.25, 0.75, 0, 0, 0.5]);
  const found = namedHeads(scores, ["previous", "induction"], 2, 0.5);
  expect(found).toEqual([
    { kind: "induction", layer: 0, head: 0, value: 0.75 },
    { kind: "previous", layer: 0, head: 1, value: 0.5 },
    { kind: "induction", layer: 1, head: 1, value: 0.5 },
  ]);
});

test("nothing is listed of nothing", () => {
  expect(namedHeads(new Float32Array(0), [], 2, 0)).toEqual([]);
});
