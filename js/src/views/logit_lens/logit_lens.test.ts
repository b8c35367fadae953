import { describe, expect, it, test } from "vitest";
import { datasetCsv } from "../../core/export/csv";
import { Dataset } from "../../core/state/dataset";
import type { Grid } from "../../generated/logit_lens";
import { columnsIn, rankShade, readWindow, shading, stageName, stageWords, startFor } from "./data";

const UNKNOWN = Number.NaN;

function made(show: Grid["attrs"]["show"], ranks: number[], first = "w4"): Dataset<Grid> {
  const cells = <T>(values: T[]) => ({ dims: ["stage", "pos"], values });
  const along = <T>(dim: string, values: T[]) => ({ dims: [dim], values });
  return Dataset.read<Grid>(
    {
      dims: { stage: 2, pos: 2 },
      variables: {
        stage: along("stage", ["0_pre", "final_post"]),
        layer: along("stage", [0, 0]),
        pos: along("pos", [1, 2]),
        target_token: along("pos", ["w9", ""]),
        top_token: cells([first, "w5", "w6", "w7"]),
        top_token_id: cells([4, 5, 6, 7]),
        baseline_token: cells([first, "w5", "w6", "w4"]),
        baseline_token_id: cells([4, 5, 6, 4]),
        prob: cells([0.1, 0.2, 0.3, 0.4]),
        rank: cells(ranks),
        target_prob: cells([0.5, 0.6, 0.7, 0.8]),
        kl: cells([3, 2, 0, 0]),
      },
      attrs: { show, target: "the true next token", d_vocab: 1000, units: {}, definition: {} },
    },
    [],
  );
}

describe("a window of the lens", () => {
  it("has the last stage on top, or the first", () => {
    const data = made("current", [9, UNKNOWN, 0, UNKNOWN]);
    const top = readWindow(data, "last_on_top");
    expect(top.stages).toEqual(["final_post", "0_pre"]);
    expect(top.token.map(({ text }) => text)).toEqual(["w6", "w7", "w4", "w5"]);
    expect([...top.kl]).toEqual([0, 0, 3, 2]);
    const down = readWindow(data, "first_on_top");
    expect(down.stages).toEqual(["0_pre", "final_post"]);
    expect(down.was.map(({ id }) => id)).toEqual([4, 5, 6, 4]);
  });

  it("keeps ranks, and their changes, beside the positions that have none", () => {
    for (const show of ["current", "difference"] as const) {
      const window = readWindow(made(show, [-1, UNKNOWN, 4, UNKNOWN]), "last_on_top");
      expect([...window.rank]).toEqual([4, UNKNOWN, -1, UNKNOWN]);
      expect(window.targets).toEqual(["w9", ""]);
    }
  });

  it("colours ranks by their logarithm, first strongest, and gained ranks blue", () => {
    expect(rankShade(0, 1000)).toBe(1);
    expect(rankShade(999, 1000)).toBeCloseTo(0, 12);
    expect(rankShade(30, 1000)).toBeGreaterThan(0.4);
    const window = readWindow(made("difference", [-9, 0, 9, 0]), "first_on_top");
    const shade = shading(window, "rank");
    expect(shade.kind).toBe("diverging");
    expect(shade.colors?.[0]).toBeCloseTo(1);
    expect(shade.colors?.[2]).toBeCloseTo(-1);
    expect(shade.format(-9)).toBe("−9");
  });

  it("shows probabilities up to 1, divergence in orange, changes around zero", () => {
    const window = readWindow(made("current", [0, 0, 0, 0]), "first_on_top");
    expect(shading(window, "prob")).toMatchObject({ kind: "sequential", hi: 1 });
    expect(shading(window, "kl")).toMatchObject({ kind: "loss", units: "nats" });
    const change = { ...window, show: "difference" as const };
    expect(shading(change, "prob").kind).toBe("diverging");
    expect(shading(change, "kl").hi).toBeUndefined();
  });

  it("is taken away as one line a cell, with the prompt's tokens, quoted where need be", () => {
    const data = made("current", [9, UNKNOWN, 0, UNKNOWN], ',"');
    const names = { pos: ["w2", "w3"] };
    const lines = datasetCsv(data, { along: ["stage", "pos"], names }).split("\n");
    expect(lines).toHaveLength(6);
    expect(lines[0]).toBe(
      "stage,pos,token,layer,target_token,top_token,top_token_id,baseline_token," +
        "baseline_token_id,prob,rank,target_prob,kl",
    );
    expect(lines[1]).toBe('0_pre,1,w2,0,w9,",""",4,",""",4,0.1,9,0.5,3');
    expect(lines[2]).toBe("0_pre,2,w3,0,,w5,5,w5,5,0.2,,0.6,2");
  });

  it("moves only for a position outside of it, and never past the ends", () => {
    expect(startFor(5, 4, 4, 20)).toBeNull();
    expect(startFor(8, 4, 4, 20)).toBe(6);
    expect(startFor(0, 4, 4, 20)).toBe(0);
    expect(startFor(19, 4, 4, 20)).toBe(16);
  });

  it("is as wide as the view has room for", () => {
    expect(columnsIn(480)).toBe(7);
    expect(columnsIn(1200)).toBe(21);
    expect(columnsIn(10)).toBe(4);
    expect(columnsIn(9000)).toBe(64);
  });
});

test("stages are named by their layers", () => {
  expect(["0_pre", "3_mid", "final_post"].map(stageName)).toEqual(["L0", "L3 mid", "end"]);
  expect(["0_pre", "3_mid", "final_post"].map(stageWords)).toEqual([
    "before layer 0",
    "in layer 3, after attention",
    "after the last layer",
  ]);
});
