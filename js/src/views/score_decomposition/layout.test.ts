import { expect, test } from "vitest";
import { splitFor } from "./layout";

test("scores are split by heads as long as each can be seen", () => {
  expect(splitFor(944, 3, 8, "head")).toEqual({ by: "head", stacked: false });
  expect(splitFor(944, 15, 9, "head")).toEqual({ by: "head", stacked: true });
  expect(splitFor(944, 23, 9, "head")).toEqual({ by: "layer", stacked: false });
  expect(splitFor(574, 15, 9, "head")).toEqual({ by: "layer", stacked: false });
  expect(splitFor(944, 31, 32, "head")).toEqual({ by: "layer", stacked: false });
  expect(splitFor(944, 3, 8, "layer")).toEqual({ by: "layer", stacked: false });
});
