import type { Dataset } from "../../core/state/dataset";
import { edgeLabel } from "../../core/state/interventions";
import type { Edges, NodeEdges } from "../../generated/circuit";

export interface Edge {
  writer: string;
  reader: string;
  /** `L0H1 → L1H4.k`, as the list of interventions calls its cut. */
  label: string;
  score: number;
  /** NaN where there is one prompt. */
  stability: number;
}

/** The edges of a circuit, strongest first. */
export function readEdges(data: Dataset<Edges>): readonly Edge[] {
  const stability = data.numbers("stability");
  return read(data.texts("writer"), data.texts("reader"), data.numbers("score"), stability);
}

export function readNodeEdges(data: Dataset<NodeEdges>): readonly Edge[] {
  return read(data.texts("writer"), data.texts("reader"), data.numbers("score"));
}

function read(
  writers: readonly string[],
  readers: readonly string[],
  scores: Float32Array,
  stability?: Float32Array,
): readonly Edge[] {
  return writers.map((writer, index) => {
    const reader = readers[index] ?? "";
    return {
      writer,
      reader,
      label: edgeLabel({ writer, reader }),
      score: scores[index] ?? Number.NaN,
      stability: stability?.[index] ?? Number.NaN,
    };
  });
}
