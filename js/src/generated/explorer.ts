// Written by `python -m lens_widgets.views.generate`.

import type { Question } from "../wire/question";

/** TransformerLens code that gives the shown numbers without lens_widgets. */
export interface Code {
  numbers: never;
  texts: never;
  attrs: {
    code: string;
  };
}

/** The page's code of a view that is shown in a tab. */
export const tabCode: Question<{ tab: string }, Code> = { method: "explorer/tab_code" };
