import { describe, expect, it } from "vitest";
import { csv } from "./csv";
import { ringsOf } from "./paint";

describe("what is taken away", () => {
  it("is CSV at full precision, with empty fields where nothing is known", () => {
    const rows = [
      ["L1H4", 0.1 + 0.2, null],
      ['a "b", c', Number.NaN, undefined],
    ];
    expect(csv(["part", "value", "layer"], rows)).toBe(
      'part,value,layer\nL1H4,0.30000000000000004,\n"a ""b"", c",,\n',
    );
  });

  it("keeps the outlines of selected and ablated cells in pictures", () => {
    const shadow = "rgb(200, 67, 43) 0px 0px 0px 1px inset, rgb(31, 111, 235) 0px 0px 0px 1.5px";
    expect(ringsOf(shadow)).toEqual([
      { color: "rgb(200, 67, 43)", width: 1, inside: true },
      { color: "rgb(31, 111, 235)", width: 1.5, inside: false },
    ]);
    expect(ringsOf("rgba(0, 0, 0, 0.14) 0px 4px 14px 0px")).toEqual([]);
  });
});
