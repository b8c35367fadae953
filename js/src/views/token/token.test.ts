import { describe, expect, it } from "vitest";
import { datasetCsv } from "../../core/export/csv";
import { Dataset } from "../../core/state/dataset";
import type { Tokens } from "../../generated/session";
import type { Stats } from "../../generated/token";
import { editArgs, fieldOf, respaced } from "./editor";
import {
  attentionTop,
  chipTone,
  hitCount,
  hitText,
  lossTop,
  namesAt,
  probText,
  sharedPredictions,
} from "./format";
import { placeCard } from "./place";
import { readStats } from "./stats";

describe("the card", () => {
  const bounds = { left: 10, top: 0, width: 400, height: 100 };

  it("hangs under its chip", () => {
    const chip = { left: 50, top: 20, width: 40, height: 24 };
    expect(placeCard(chip, 200, bounds)).toEqual({ left: 50, top: 50 });
  });

  it("stays inside the view at both edges, also when it is wider than the view", () => {
    const right = { left: 380, top: 20, width: 40, height: 24 };
    expect(placeCard(right, 200, bounds).left).toBe(210);
    expect(placeCard(right, 900, bounds).left).toBe(10);
  });
});

describe("the scale of attention", () => {
  it("is 0 to 1, and of long prompts the smallest step that holds every weight", () => {
    expect(attentionTop([0.1, 0.02, Number.NaN])).toBe(1);
    const long = new Array(200).fill(0.004);
    expect(attentionTop(long)).toBe(0.01);
    expect(attentionTop([...long, 0.3])).toBe(0.5);
    expect(attentionTop([...long, 0.3, Number.NaN, 0.99])).toBe(1);
  });
});

describe("the loss scale", () => {
  it("holds the losses before and after, and ignores the last token's missing one", () => {
    expect(lossTop([0.2, 5.1, Number.NaN], [0.1, 5.8, Number.NaN])).toBe(6);
    expect(lossTop([0.2], [6.1])).toBe(8);
    expect(lossTop([Number.NaN])).toBe(1);
    expect(lossTop([130.5])).toBe(131);
  });

  it("colours by the share of the scale, clamped", () => {
    expect(chipTone("loss", 3, 0, 6)).toEqual({ kind: "loss", fraction: 0.5 });
    expect(chipTone("loss", 9, 0, 6)).toEqual({ kind: "loss", fraction: 1 });
    expect(chipTone("loss", Number.NaN, 0, 6)).toEqual({ kind: "none" });
    expect(chipTone("loss", undefined, undefined, 6)).toEqual({ kind: "none" });
  });

  it("calls a first-ranked next token a hit, and nothing the last token", () => {
    expect(chipTone("hit", 0.1, 0, 6)).toEqual({ kind: "hit" });
    expect(chipTone("hit", 0.1, 3, 6)).toEqual({ kind: "miss" });
    expect(chipTone("hit", Number.NaN, 0, 6)).toEqual({ kind: "none" });
  });

  it("counts hits among the positions that have a next token", () => {
    expect(hitCount([0, 2, 0, 0], 4)).toEqual({ hits: 2, of: 3 });
    expect(hitCount([], 0)).toEqual({ hits: 0, of: 0 });
  });
});

describe("what is guessed right", () => {
  it("is said as a count, with the one before when it moved", () => {
    expect(hitText(33, 33, 111)).toBe("33 of 111 next tokens ranked first");
    expect(hitText(31, 33, 111)).toBe("33 → 31 of 111 next tokens ranked first");
    expect(hitText(1, 1, 1)).toBe("1 of 1 next token ranked first");
  });

  it("is compared with and without BOS over the tokens that both predict", () => {
    const nan = Number.NaN;
    const loss = [8, 2, 4, nan, nan, 3, 5, nan];
    const rank = [0, 0, 3, -1, -1, 0, 0, -1];
    expect(sharedPredictions(loss, rank, 4)).toEqual({ count: 2, loss: [3, 4], hits: [1, 2] });
    expect(sharedPredictions([1, nan, nan, nan], [0, -1, -1, -1], 2).loss).toEqual([nan, nan]);
  });
});

it("never rounds a small probability to nothing", () => {
  expect(probText(0.87131)).toBe("0.8713");
  expect(probText(0.00001)).toBe("<0.0001");
  expect(probText(0)).toBe("0.0000");
  expect(probText(Number.NaN)).toBe("–");
});

const prompt: Tokens["attrs"] = {
  prompt: 3,
  n_prompts: 8,
  text: "a b",
  correct: " x",
  wrong: " y",
  corrupted: null,
  bos: true,
  added: [],
  template: null,
  spans: {},
};

describe("the editor", () => {
  const fields = { text: "c", correct: "", wrong: "", corrupted: "d" };

  it("sends its own prompt, whichever is selected by then", () => {
    expect(editArgs(prompt, fields)).toEqual({
      prompt: 3,
      text: "c",
      correct: "",
      wrong: "",
      corrupted: null,
    });
  });

  it("says that answers are meant as written, when asked", () => {
    expect(editArgs(prompt, fields)).not.toHaveProperty("as_written");
    expect(editArgs(prompt, fields, true).as_written).toBe(true);
  });

  it("puts the space in front of an answer, or takes it away", () => {
    expect(respaced("Mary")).toBe(" Mary");
    expect(respaced(" Mary")).toBe("Mary");
  });

  it("knows which field an error speaks of", () => {
    const error = (message: string) => ({ type: "InputError", message, hint: "" });
    expect(fieldOf(error("Correct answer ' Elephantine' is 4 tokens."))).toBe("correct");
    expect(fieldOf(error("The wrong answer is empty."))).toBe("wrong");
    expect(fieldOf(error("Prompt is an empty string."))).toBe("text");
    expect(fieldOf(error("Corrupted prompt is 2 tokens long, prompt is 3."))).toBe("corrupted");
    expect(fieldOf(error("There is not enough memory for this."))).toBeNull();
    expect(fieldOf(null)).toBeNull();
  });

  it("sends a corrupted prompt only where there is one", () => {
    expect(editArgs({ ...prompt, corrupted: "a z" }, fields).corrupted).toBe("d");
  });
});

it("reads the numbers of each position from the reply", () => {
  const buffers: DataView[] = [];
  const array = (values: number[], shape = [values.length]) => {
    buffers.push(new DataView(Float32Array.from(values).buffer));
    const ref = { buffer: buffers.length - 1, dtype: "float32", shape, scale: 1, offset: 0 };
    return { dims: ["pos", "top"].slice(0, shape.length), values: ref };
  };
  const data = Dataset.read<Stats>(
    {
      dims: { pos: 2, top: 2 },
      variables: {
        loss: array([0.5, Number.NaN]),
        baseline_loss: array([0.25, Number.NaN]),
        prob: array([0.5, Number.NaN]),
        rank: array([0, -1]),
        baseline_rank: array([0, -1]),
        top_prob: array([0.75, 0.125, 0.5, 0.25], [2, 2]),
        top_token: {
          dims: ["pos", "top"],
          values: [
            ["a", "b"],
            ["c", "d"],
          ],
        },
        top_token_id: array([1, 2, 3, 4], [2, 2]),
      },
      attrs: {},
    },
    buffers,
  );
  const stats = readStats(data, [
    { id: 0, text: "<bos>" },
    { id: 1, text: "a" },
  ]);
  expect(stats.loss[0]).toBe(0.5);
  expect(stats.baselineLoss[0]).toBe(0.25);
  expect(stats.top(1)).toEqual([
    { token: { id: 3, text: "c" }, prob: 0.5 },
    { token: { id: 4, text: "d" }, prob: 0.25 },
  ]);
  expect(stats.top(7)).toEqual([]);

  const table = datasetCsv(data, { along: ["pos"], names: { pos: ["<bos>", "a"] } });
  expect(table.split("\n")).toEqual([
    "pos,token,loss,baseline_loss,prob,rank,baseline_rank",
    "0,<bos>,0.5,0.25,0.5,0,0",
    "1,a,,,,-1,-1",
    "",
  ]);
});

describe("names of positions", () => {
  it("are written where a run of positions begins, and once for each run", () => {
    const found = namesAt({ IO: [3], name: [3], pair: [5, 6, 8], end: [9] });
    expect(Object.fromEntries(found)).toEqual({
      3: { names: "IO, name", begins: true },
      5: { names: "pair", begins: true },
      6: { names: "pair", begins: false },
      8: { names: "pair", begins: true },
      9: { names: "end", begins: true },
    });
  });

  it("are none where there are none", () => {
    expect(namesAt({}).size).toBe(0);
  });
});
