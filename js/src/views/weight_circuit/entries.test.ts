import { expect, it } from "vitest";
import { entries } from "./entries";

it("takes one list out of an answer that has several", () => {
  const lists = {
    ids: [7, 8, 9, 10],
    texts: ["a", "b", "c", "d"],
    values: [4, 3, -2, -1],
    length: 2,
  };
  expect(entries(lists, 1)).toEqual([
    { id: "9", text: "c", value: -2, attributes: { "data-token-id": 9 } },
    { id: "10", text: "d", value: -1, attributes: { "data-token-id": 10 } },
  ]);
  expect(entries({ ...lists, length: 0 }, 1)).toEqual([]);
});
