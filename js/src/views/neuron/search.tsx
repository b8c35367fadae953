import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../../core/parts/ui";
import { flush } from "../../core/state/flush";
import { neuronName, parseNeuron, stepped } from "./neurons";

/** Which neuron: typed as "L3N1024", or the one before or after it, in this layer or the next. */
export function NeuronSearch(props: {
  neuron: string;
  nNeurons: number | null;
  layers: readonly number[];
  onChange: (neuron: string) => void;
}): JSX.Element {
  const { neuron, nNeurons, layers, onChange } = props;
  const [typed, setTyped] = useState<string | null>(null);
  const now = parseNeuron(neuron);
  const wrong = typed !== null && parseNeuron(typed) === null;
  const go = (text: string) => {
    const found = parseNeuron(text);
    if (!found) return;
    flush(() => {
      setTyped(null);
      onChange(neuronName(found));
    });
  };
  const step = (by: number) => now && onChange(neuronName(stepped(now, by, nNeurons)));
  const atLayer = now ? layers.indexOf(now.layer) : -1;
  const layerBy = (by: number) => {
    const layer = layers[atLayer + by];
    if (now && layer !== undefined) onChange(neuronName({ ...now, layer }));
  };
  return (
    <span class="lw-neuron-search">
      <Button
        label="layer before, the same neuron"
        disabled={atLayer <= 0}
        onClick={() => layerBy(-1)}
      >
        layer before
      </Button>
      <Button
        label="layer after, the same neuron"
        disabled={atLayer < 0 || atLayer >= layers.length - 1}
        onClick={() => layerBy(1)}
      >
        layer after
      </Button>
      <Button label="previous neuron" disabled={!now || now.index === 0} onClick={() => step(-1)}>
        ‹
      </Button>
      <input
        type="search"
        class="lw-mono lw-neuron-input"
        aria-label="neuron"
        aria-invalid={wrong}
        title="a layer and a neuron, as in L3N1024; Enter goes there"
        spellcheck={false}
        value={typed ?? neuron}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onChange={(event) => go(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") go(event.currentTarget.value);
          else if (event.key === "Escape") setTyped(null);
        }}
      />
      <Button
        label="next neuron"
        disabled={!now || (nNeurons !== null && now.index >= nNeurons - 1)}
        onClick={() => step(1)}
      >
        ›
      </Button>
      {nNeurons !== null && <span class="lw-muted lw-num">of {nNeurons}</span>}
    </span>
  );
}
