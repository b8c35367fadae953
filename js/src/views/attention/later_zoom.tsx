import type { JSX } from "preact";
import { Later } from "../../core/parts/later";
import type { ViewHandle } from "../../core/state/handle";
import { ZOOM_FROM } from "./layout";

/** A part that only patterns of long prompts have, once it is loaded. */
export function LongPattern(props: {
  view: ViewHandle;
  count: number;
  children: (module: typeof import("./zooming")) => JSX.Element;
}): JSX.Element | null {
  const { view, count, children } = props;
  if (count <= ZOOM_FROM) return null;
  return (
    <Later view={view} name="attention_zooming" optional own={() => import("./zooming")}>
      {children}
    </Later>
  );
}
