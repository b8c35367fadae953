// Written by `python -m lens_widgets.views.generate`.

import type { OptionSpec, Question } from "lens-widgets";

/** The tokens of one prompt, each with the number of its characters. */
export interface Lengths {
  numbers: "length" | "pos";
  texts: "token";
  attrs: {
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

/** The length of every token. */
export const lengths: Question<{ prompt: number; counted?: "characters" | "bytes" }, Lengths> = { method: "lengths/lengths" };

/** Code that counts the characters. */
export const code: Question<{ prompt: number }, Code> = { method: "lengths/code" };

export const OPTIONS: {
  counted: OptionSpec<"characters" | "bytes">;
} = {
  /** What a token's length counts. */
  counted: {
    name: "counted",
    initial: "characters",
    is: (value: unknown): value is "characters" | "bytes" => value === "characters" || value === "bytes",
  },
};
