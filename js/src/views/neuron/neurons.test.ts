import { describe, expect, it } from "vitest";
import { neuronName, parseNeuron, stepped } from "./neurons";

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
