import { useMemo, useRef } from "preact/hooks";
import { type TokenInfo, type Tokens, tokens } from "../../generated/session";
import type { AnswerType } from "../../wire/question";
import type { ViewHandle } from "./handle";
import { type Answered, useAnswer } from "./resource";

/** One token of a prompt; `added`: it was put in front and is not in the prompt's text. */
export interface PromptToken extends TokenInfo {
  added?: boolean;
}

/** The tokens of one prompt. */
export interface PromptTokens {
  prompt: number;
  list: readonly PromptToken[];
  texts: readonly string[];
  /** What is known of the prompt besides. */
  attrs: Tokens["attrs"];
}

/**
 * The tokens of a prompt, asked of the kernel once for all views of the page, and again when the prompts
 * change; those shown before until then. Null before the first.
 */
export function usePromptTokens(view: ViewHandle, prompt: number): PromptTokens | null {
  const { data } = useAnswer(view, tokens, { prompt }, { on: "prompts" });
  return useMemo(() => {
    if (!data) return null;
    const texts = data.texts("token");
    const ids = data.numbers("token_id");
    const added = data.attrs.added.length;
    const list = texts.map((text, pos) => ({ id: ids[pos] ?? -1, text, added: pos < added }));
    return { prompt: data.attrs.prompt, list, texts, attrs: data.attrs };
  }, [data]);
}

/**
 * Whether an answer with a value for each token is about these tokens: for a moment after another prompt
 * was chosen, or edited, the one is here and the other is not.
 */
export function areTokensOf<Args extends { prompt: number }, A extends AnswerType>(
  tokens: PromptTokens,
  { data, args }: Answered<Args, A>,
  dim: string,
): boolean {
  return args?.prompt === tokens.prompt && data?.dims[dim] === tokens.list.length;
}

/** The value, or the last one that was there. */
export function useLastKnown<T>(value: T | null): T | null {
  const last = useRef(value);
  if (value !== null) last.current = value;
  return last.current;
}
