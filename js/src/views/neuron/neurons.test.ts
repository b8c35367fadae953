import { describe, expect, it } from "vitest";
import { Dataset } from "../../core/state/dataset";
import type { Activations, Places } from "../../generated/neuron";
import { neuronName, parseNeuron, placesOf, runsOf, stepped } from "./neurons";

describe("names of neurons", () => {
  it("are read as people write them", () => {
    for (const text of ["L3N1024", " l3n1024 ", "3.1024"]) {
      expect(parseNeuron(text)).toEqual({ layer: 3, index: 1024 });
    }
    for (const text of ["", "L3", "N4", "L3H1", "L3N", "L-1N2", "3,4", "L3N1 L4N2"]) {
      expect(parseNeuron(text)).toBeNull();
    }
    expect(neuronName({ layer: 0, index: 7 })).toBe("L0N7");
  });

  it("are stepped through without leaving the layer", () => {
    const from = { layer: 2, index: 1 };
    expect(stepped(from, -5, 10)).toEqual({ layer: 2, index: 0 });
    expect(stepped(from, 20, 10)).toEqual({ layer: 2, index: 9 });
    expect(stepped(from, 20, null)).toEqual({ layer: 2, index: 21 });
  });
});

describe("what is shown of an answer", () => {
  it("is the neuron before, after, and its change", () => {
    const along = (values: number[]) => ({ dims: ["pos"], values });
    const data = Dataset.read<Activations>(
      {
        dims: { pos: 2 },
        variables: { baseline: along([1, -2]), current: along([4, -3]) },
        attrs: { neuron: "L0N1" },
      },
      [],
    );
    const { baseline, current, difference } = runsOf(data);
    expect([baseline, current, difference].map((run) => [...run])).toEqual([
      [1, -2],
      [4, -3],
      [3, -1],
    ]);
  });

  it("is the places of each end with their tokens", () => {
    const cells = <T>(values: T[][]) => ({ dims: ["end", "rank"], values });
    const data = Dataset.read<Places>(
      {
        dims: { end: 2, rank: 2 },
        variables: {
          end: { dims: ["end"], values: ["highest", "lowest"] },
          activation: cells([
            [9, 8],
            [-7, -6],
          ]),
          prompt: cells([
            [0, 1],
            [1, 0],
          ]),
          pos: cells([
            [3, 0],
            [2, 4],
          ]),
          token: cells([
            ["a", "b"],
            ["c", "d"],
          ]),
          token_id: cells([
            [1, 2],
            [3, 4],
          ]),
        },
        attrs: { neuron: "L0N1" },
      },
      [],
    );
    const [highest = [], lowest = []] = placesOf(data);
    expect(highest[1]).toEqual({ text: "b", id: 2, prompt: 1, pos: 0, value: 8 });
    expect(lowest.map(({ text, value }) => [text, value])).toEqual([
      ["c", -7],
      ["d", -6],
    ]);
  });
});
