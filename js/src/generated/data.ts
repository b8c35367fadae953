// Written by `python -m lens_widgets.views.generate`.

import type { Command, OptionSpec, Question } from "../wire/question";

/**
 * One of a quantity's own dimensions: the name of a place is ``prefix`` and its index, or
 * one of ``texts``.
 */
export interface AxisInfo {
  dim: string;
  size: number;
  prefix: string;
  texts: string[] | null;
}

/** A stored quantity; a cell's name is its places' names with ``between`` between them. */
export interface QuantityInfo {
  name: string;
  axes: AxisInfo[];
  between: string;
}

/**
 * What is stored. ``expected``: how many records the run will have, None where that is not
 * known or all are there.
 */
export interface Store {
  numbers: never;
  texts: never;
  attrs: {
    quantities: QuantityInfo[];
    n_records: number;
    expected: number | null;
  };
}

/**
 * Means over all records by cell: a map of a quantity's last dimension by the others where it
 * is not too large, and the cells of the largest mean magnitude, largest first.
 */
export interface Means {
  numbers: "mean" | "strongest_mean";
  texts: "row" | "column" | "strongest";
  attrs: {
    quantity: string;
    units: string;
    definition: string;
  };
}

/**
 * How many records have a value of ``edge[i]`` up to, not including, ``edge[i + 1]``, by group.
 *
 * ``sem``: standard error of a group's mean, NaN for one record; ``mean_all`` and ``sem_all`` of
 * the ``n_all`` records together. ``n_missing`` have no number.
 */
export interface Bars {
  numbers: "edge" | "count" | "n" | "mean" | "sem";
  texts: "group";
  attrs: {
    n_all: number;
    mean_all: number;
    sem_all: number | null;
    n_missing: number;
    quantity: string;
    cell: string;
    units: string;
    definition: string;
  };
}

/**
 * Some of the records that pass, in order, from ``first`` on; ``n_found`` of ``n_records`` do.
 *
 * ``value``: NaN where a record has none. ``open``: 1 where the session's selected prompt is the
 * record's. ``followed``: the cell is the selected head.
 */
export interface Rows {
  numbers: "record" | "value" | "open";
  texts: "group" | "prompt" | "corrupted" | "answers";
  attrs: {
    first: number;
    n_found: number;
    n_records: number;
    quantity: string;
    cell: string;
    followed: boolean;
    units: string;
    definition: string;
  };
}

/** TransformerLens code that gives the shown numbers without lens_widgets. */
export interface Code {
  numbers: never;
  texts: never;
  attrs: {
    code: string;
  };
}

/** What is stored at a path. */
export const store: Question<{ path: string }, Store> = { method: "data/store" };

/** Means over all records, of every cell of a quantity. */
export const means: Question<{ path: string; quantity: string | null }, Means> = { method: "data/means" };

/** How the values of one cell lie over all records, by group. */
export const bars: Question<{ path: string; quantity: string | null; cell: string | null; layer: number; head: number }, Bars> = { method: "data/bars" };

/**
 * ``count`` of the records that pass (None: all), sorted, from the one numbered ``first``
 * on.
 */
export const rows: Question<{ path: string; quantity: string | null; cell: string | null; layer: number; head: number; sort_by: "record" | "group" | "value"; descending: boolean; groups: string[]; find: string; at_least: number | null; below: number | null; prompt: number; first?: number; count?: number | null }, Rows> = { method: "data/rows" };

/** Code that reads one cell of every record and prints the top examples. */
export const code: Question<{ path: string; quantity: string | null; cell: string | null; layer: number; head: number; descending: boolean }, Code> = { method: "data/code" };

/**
 * Puts a record's prompt, answers and corrupted prompt in the place of the session's
 * prompts; all or nothing, and undo takes it back.
 */
export const openRecord: Command<{ path: string; record: number }> = { method: "data/open_record" };

export const OPTIONS: {
  path: OptionSpec<string | null>;
  quantity: OptionSpec<string | null>;
  cell: OptionSpec<string | null>;
  sort_by: OptionSpec<"record" | "group" | "value">;
  descending: OptionSpec<boolean>;
  groups: OptionSpec<string[]>;
  find: OptionSpec<string>;
  at_least: OptionSpec<number | null>;
  below: OptionSpec<number | null>;
} = {
  /** Where the results are stored: the folder of ``lw.DataRun(..., path=...)``, or the run itself. */
  path: {
    name: "path",
    initial: null,
    is: (value: unknown): value is string | null => typeof value === "string" || value === null,
  },
  /** Which stored quantity; None: the first. */
  quantity: {
    name: "quantity",
    initial: null,
    is: (value: unknown): value is string | null => typeof value === "string" || value === null,
  },
  /** One cell of it, as in ``"L1H4"``; None: the selected head where the quantity has heads, else the cell of the largest mean magnitude. */
  cell: {
    name: "cell",
    initial: null,
    is: (value: unknown): value is string | null => typeof value === "string" || value === null,
  },
  /** What the table is sorted by; equal ones stay in their order. */
  sort_by: {
    name: "sort_by",
    initial: "value",
    is: (value: unknown): value is "record" | "group" | "value" => value === "record" || value === "group" || value === "value",
  },
  /** Whether the largest is first. */
  descending: {
    name: "descending",
    initial: true,
    is: (value: unknown): value is boolean => typeof value === "boolean",
  },
  /** The groups in the table; empty: all. */
  groups: {
    name: "groups",
    initial: [],
    is: (value: unknown): value is string[] => (Array.isArray(value) && value.every((item: unknown) => typeof item === "string")),
  },
  /** Only prompts with this text in them. */
  find: {
    name: "find",
    initial: "",
    is: (value: unknown): value is string => typeof value === "string",
  },
  /** Only records of this value or more. */
  at_least: {
    name: "at_least",
    initial: null,
    is: (value: unknown): value is number | null => typeof value === "number" && Number.isFinite(value) || value === null,
  },
  /** Only records of lower values. */
  below: {
    name: "below",
    initial: null,
    is: (value: unknown): value is number | null => typeof value === "number" && Number.isFinite(value) || value === null,
  },
};
