import { describe, expect, it } from "vitest";
import { headMapWidth, mapColumns } from "./columns";

describe("maps side by side", () => {
  const columns = (maps: number, width: number, heads: number) =>
    mapColumns(maps, width, headMapWidth(heads), 16);

  it("are all in one row beside a file browser, where their heads can be told apart", () => {
    expect(columns(5, 944, 8)).toBe(5);
    expect(columns(5, 944, 9)).toBe(5);
    expect(columns(5, 874, 12)).toBe(5);
    expect(columns(5, 944, 32)).toBe(5);
  });

  it("fill their rows evenly where they are not", () => {
    expect(columns(5, 874, 32)).toBe(3);
    expect(columns(5, 574, 9)).toBe(3);
    expect(columns(5, 574, 32)).toBe(3);
    expect(columns(3, 400, 32)).toBe(2);
    expect(columns(5, 200, 32)).toBe(1);
  });
});
