// What a view outside of this package is written with; see "Add a view" in CONTRIBUTING.md.

export { fixed, headLabel, signed } from "../core/draw/format";
export { askCode } from "../core/export/code";
export { datasetCsv } from "../core/export/csv";
export { HeatMap, type HeatMapProps } from "../core/parts/heatmap/heatmap";
export { mountView, type PanelProps } from "../core/parts/mount";
export { FlagButtons, OptionButtons } from "../core/parts/options";
export { RankedList } from "../core/parts/ranked/ranked";
export { useView, ViewFrame, type ViewFrameProps } from "../core/parts/view";
export { Dataset } from "../core/state/dataset";
export { type Answered, useAnswer } from "../core/state/resource";
export { metric, redo, setAblated, tokens, undo } from "../generated/session";
export type { AnswerType, Command, OptionSpec, Question } from "../wire/question";
