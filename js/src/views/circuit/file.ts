import type { ViewHandle } from "../../core/state/handle";
import * as ask from "../../generated/circuit";

type Chosen = Omit<NonNullable<(typeof ask.file)["args"]>, "part">;

/** The circuit's file, part by part; rejects when another circuit came between them. */
export async function askFile(view: ViewHandle, chosen: Chosen): Promise<string> {
  const texts: string[] = [];
  let whole = "";
  for (let part = 0, parts = 1; part < parts; part++) {
    const args = { ...chosen, part };
    const { attrs } = await view.rpc.ask(`${view.name}/file`, view.nextSeq(), ask.file, args);
    if (part > 0 && attrs.digest !== whole) throw new Error("the circuit changed meanwhile");
    whole = attrs.digest;
    parts = attrs.parts;
    texts.push(attrs.text);
  }
  return texts.join("");
}
