/** Names of neurons. Pure. */

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
