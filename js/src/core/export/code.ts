import type { CodeResult, Methods } from "../../generated/protocol";
import type { Code } from "../../generated/session";
import type { Question } from "../../wire/question";
import type { ViewHandle } from "../state/handle";

/** The methods that answer with TransformerLens code. */
type CodeMethod = {
  [M in keyof Methods]: Methods[M]["result"] extends CodeResult ? M : never;
}[keyof Methods];

/** Code that gives the shown numbers, written by the kernel when it is asked for. */
export async function requestCode<M extends CodeMethod>(
  view: ViewHandle,
  method: M,
  args: Methods[M]["args"],
): Promise<string> {
  const { result } = await view.rpc.request(`${view.name}/code`, view.nextSeq(), method, args);
  return result.code;
}

/** The same from a view's own `code` question. */
export async function askCode<Args extends object>(
  view: ViewHandle,
  question: Question<Args, Code>,
  args: Args,
): Promise<string> {
  const answer = await view.rpc.ask(`${view.name}/code`, view.nextSeq(), question, args);
  return answer.attrs.code;
}
