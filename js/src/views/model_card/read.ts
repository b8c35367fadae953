// The card's answer as lines and rows. Pure.

import type { Dataset } from "../../core/state/dataset";
import type { Card } from "../../generated/model_card";

export interface Fact {
  group: string;
  name: string;
  value: string;
  note: string;
}

export interface Finding {
  works: boolean;
  text: string;
  /** How it was tried. */
  how: string;
}

export interface MatrixRow {
  name: string;
  group: string;
  shape: string;
  axes: string;
  layers: string;
  count: number;
  megabytes: number;
  shared: string;
  code: string;
}

export function readFacts(card: Dataset<Card>): Fact[] {
  const [groups, values, notes] = [card.texts("group"), card.texts("value"), card.texts("note")];
  return card.texts("fact").map((name, i) => ({
    group: groups[i] ?? "",
    name,
    value: values[i] ?? "",
    note: notes[i] ?? "",
  }));
}

export function readFindings(card: Dataset<Card>): Finding[] {
  const [works, how] = [card.numbers("works"), card.texts("how")];
  return card
    .texts("finding")
    .map((text, i) => ({ works: works[i] === 1, text, how: how[i] ?? "" }));
}

export function readMatrices(card: Dataset<Card>): MatrixRow[] {
  const text = (name: Card["texts"]) => card.texts(name);
  const [groups, shapes, axes] = [text("matrix_group"), text("shape"), text("axes")];
  const [layers, shared, code] = [text("layers"), text("shared"), text("code")];
  const [counts, megabytes] = [card.whole("count"), card.numbers("megabytes")];
  return card.texts("name").map((name, i) => ({
    name,
    group: groups[i] ?? "",
    shape: shapes[i] ?? "",
    axes: axes[i] ?? "",
    layers: layers[i] ?? "",
    count: counts[i] ?? 0,
    megabytes: megabytes[i] ?? Number.NaN,
    shared: shared[i] ?? "",
    code: code[i] ?? "",
  }));
}
