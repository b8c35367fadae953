import type { Code } from "../../generated/session";
import type { Question } from "../../wire/question";
import type { ViewHandle } from "../state/handle";

/** TransformerLens code that gives the shown numbers, written by the kernel when it is asked for. */
export async function askCode<Args extends object>(
  view: ViewHandle,
  question: Question<Args, Code>,
  args: Args,
): Promise<string> {
  const answer = await view.rpc.ask(`${view.name}/code`, view.nextSeq(), question, args);
  return answer.attrs.code;
}
