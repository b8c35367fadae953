import { expect, it } from "vitest";
import { toCsv } from "./csv";

it("scores are one line a head and kind, with the loss once it is known", () => {
  const scores = {
    kinds: ["previous", "induction"],
    before: Float32Array.of(0.25, 0.5, Number.NaN, Number.NaN),
    now: Float32Array.of(0.5, 0.5, Number.NaN, Number.NaN),
    sem: new Float32Array(4).fill(Number.NaN),
  };
  expect(toCsv(scores, 2, null)).toBe(
    "head,layer,score,baseline,current,sem\n" +
      "L0H0,0,previous,0.25,0.5,\nL0H1,0,previous,0.5,0.5,\n" +
      "L0H0,0,induction,,,\nL0H1,0,induction,,,\n",
  );
  const loss = { kind: "mean", values: Float32Array.of(1.5, -0.5) };
  const [header, first] = toCsv(scores, 2, loss).split("\n");
  expect(header).toBe("head,layer,score,baseline,current,sem,loss_change_nats_mean_ablation");
  expect(first).toBe("L0H0,0,previous,0.25,0.5,,1.5");
});
