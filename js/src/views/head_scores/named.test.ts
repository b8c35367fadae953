import { expect, test } from "vitest";
import { listedOf, namedHeads } from "./named";

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

test("each kind lists its highest three, however many another kind has", () => {
  const scores = new Float32Array(2 * 270).fill(0.9, 0, 270);
  scores.set([0.5, 0.6], 270 + 4);
  const named = namedHeads(scores, ["first", "induction"], 9, 0.4);
  expect(listedOf(named, "first", false)).toMatchObject({ more: 267 });
  expect(listedOf(named, "first", true)).toMatchObject({ more: 0 });
  const induction = listedOf(named, "induction", false);
  expect(induction.heads.map(({ head }) => head)).toEqual([5, 4]);
  expect(induction.more).toBe(0);
});
