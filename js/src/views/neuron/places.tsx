import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { RankedList } from "../../core/parts/ranked/ranked";
import { maxAbs } from "../../core/state/arrays";
import type { Dataset } from "../../core/state/dataset";
import type { Places } from "../../generated/neuron";
import { type NeuronPlace, placesOf } from "./neurons";

/** The tokens of all prompts at which a neuron is highest, and lowest. */
export function PlaceLists(props: {
  data: Dataset<Places>;
  /** What the values are of: "activation", or its change. */
  differing: boolean;
  /** The value whose bar fills a row; null: the largest of the lists. */
  hi: number | null;
  prompt: number;
  pos: number | null;
  onPick: (place: NeuronPlace) => void;
}): JSX.Element {
  const { data, differing, prompt, pos, onPick } = props;
  const ends = useMemo(() => placesOf(data), [data]);
  const hi = props.hi ?? maxAbs(data.numbers("activation"));
  const what = differing ? " change" : "";
  return (
    <div class="lw-columns">
      {data.texts("end").map((end, i) => (
        <RankedList
          key={end}
          title={`${end}${what}, all prompts`}
          hi={hi}
          items={(ends[i] ?? []).map((place) => ({
            id: `${place.prompt} ${place.pos}`,
            text: place.text,
            note: `prompt ${place.prompt + 1}, ${place.pos}`,
            value: place.value,
            selected: place.prompt === prompt && place.pos === pos,
            attributes: {
              "data-token-id": place.id,
              "data-place": `${place.prompt}.${place.pos}`,
            },
          }))}
          onPick={(item) => {
            const place = ends[i]?.find((one) => `${one.prompt} ${one.pos}` === item.id);
            if (place) onPick(place);
          }}
        />
      ))}
    </div>
  );
}
