/** Names of neurons, and what is shown of an answer. Pure. */

import type { Dataset } from "../../core/state/dataset";
import type { Activations, Places } from "../../generated/neuron";

export interface NeuronRef {
  layer: number;
  index: number;
}

/** Layer and number of "L3N1024", also in small letters or as "3.1024"; null for anything else. */
export function parseNeuron(text: string): NeuronRef | null {
  const match = /^\s*(?:L(\d{1,6})N(\d{1,7})|(\d{1,6})\.(\d{1,7}))\s*$/i.exec(text);
  if (!match) return null;
  return { layer: Number(match[1] ?? match[3]), index: Number(match[2] ?? match[4]) };
}

export function neuronName({ layer, index }: NeuronRef): string {
  return `L${layer}N${index}`;
}

/** The neuron some steps away in its layer, staying inside; `count` is null while it is unknown. */
export function stepped(from: NeuronRef, by: number, count: number | null): NeuronRef {
  const last = count === null ? Number.MAX_SAFE_INTEGER : count - 1;
  return { ...from, index: Math.max(0, Math.min(last, from.index + by)) };
}

/** One neuron along a prompt, by what can be shown of it. */
export type Runs = Readonly<Record<"baseline" | "current" | "difference", Float32Array>>;

export function runsOf(data: Dataset<Activations>): Runs {
  const baseline = data.numbers("baseline");
  const current = data.numbers("current");
  const difference = current.map((value, pos) => value - (baseline[pos] ?? 0));
  return { baseline, current, difference };
}

/** A token of some prompt, and a neuron's activation there. */
export interface NeuronPlace {
  text: string;
  id: number;
  prompt: number;
  pos: number;
  value: number;
}

/** The places of each end, the most extreme first: the highest, then the lowest. */
export function placesOf(data: Dataset<Places>): NeuronPlace[][] {
  const values = data.numbers("activation");
  const prompts = data.numbers("prompt");
  const positions = data.numbers("pos");
  const ids = data.numbers("token_id");
  const texts = data.texts("token");
  const count = data.dims.rank ?? 0;
  return data.texts("end").map((_, end) =>
    Array.from({ length: count }, (_, rank) => {
      const i = end * count + rank;
      return {
        text: texts[i] ?? "",
        id: ids[i] ?? -1,
        prompt: prompts[i] ?? -1,
        pos: positions[i] ?? -1,
        value: values[i] ?? Number.NaN,
      };
    }),
  );
}
