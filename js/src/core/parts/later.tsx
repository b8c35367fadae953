import { createContext, type JSX } from "preact";
import { useContext, useLayoutEffect, useState } from "preact/hooks";
import { flush } from "../state/flush";
import type { ViewHandle } from "../state/handle";
import { RpcError } from "../state/rpc";

/** Gives a part's module: `own` has it in a view's own bundle, the explorer asks the kernel for it by name. */
export type Load = <Module>(name: string, own: () => Promise<Module>) => Promise<Module>;

export const Loading = createContext<Load>((_name, own) => own());

/**
 * A part that few people open, so that the explorer need not bring its code along. `name` is the view's and
 * the file's, `token_editor`; `own` imports it, which the explorer's build leaves out.
 */
export function Later<Module>(props: {
  view: ViewHandle;
  name: string;
  own: () => Promise<Module>;
  /** Where nobody can be asked for it, nothing is said. */
  optional?: boolean;
  children: (module: Module) => JSX.Element;
}): JSX.Element | null {
  const { view, name, own, optional, children } = props;
  const load = useContext(Loading);
  const [module, setModule] = useState<Module | null>(null);
  // Loaded once: `own` is a new function each time, of the same module.
  useLayoutEffect(() => {
    let current = true;
    load(name, own).then(
      (found) => current && flush(() => setModule(() => found)),
      (reason: unknown) => {
        if (optional && !view.session.connected.peek()) return;
        const failed = { type: "Error", message: `${reason}`, hint: "Reload the page." };
        if (current) flush(() => view.fail(reason instanceof RpcError ? reason : failed));
      },
    );
    return () => {
      current = false;
    };
  }, [load, name]);
  return module && children(module);
}
