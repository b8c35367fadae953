import { expect, test } from "vitest";
import { Dataset } from "../../core/state/dataset";
import type { Card } from "../../generated/model_card";
import { readFacts, readFindings } from "./read";

const along = (dim: string, values: unknown[]) => ({ dims: [dim], values });

const card = Dataset.read<Card>(
  {
    dims: { finding: 2, fact: 1 },
    variables: {
      finding: along("finding", ["No position sees the tokens after it.", "Layer 1 has no MLP."]),
      works: along("finding", [true, false]),
      how: along("finding", ["two prompts that differ in their last token", "two tokens"]),
      group: along("fact", ["shape"]),
      fact: along("fact", ["heads"]),
      value: along("fact", ["4"]),
      note: along("fact", ["2 of keys and values"]),
    },
    attrs: { total: 0, total_megabytes: 0, units: "parameters", definition: "" },
  },
  [],
);

test("each finding says whether it works and how it was tried", () => {
  expect(readFindings(card)).toEqual([
    {
      works: true,
      text: "No position sees the tokens after it.",
      how: "two prompts that differ in their last token",
    },
    { works: false, text: "Layer 1 has no MLP.", how: "two tokens" },
  ]);
});

test("facts are read line by line", () => {
  expect(readFacts(card)).toEqual([
    { group: "shape", name: "heads", value: "4", note: "2 of keys and values" },
  ]);
});
