import { type ReadonlySignal, signal } from "@preact/signals";
import type { ErrorInfo } from "../../generated/messages";
import { flush } from "./flush";
import { isRecord, listen, type WidgetModel } from "./model";

/** What ipywidgets' views are marked with while their model has no comm. */
const DISCONNECTED = "jupyter-widgets-disconnected";

export const NO_KERNEL: ErrorInfo = {
  type: "NoKernel",
  message: "This needs a running kernel.",
  hint: "What is shown is what was saved. Run the notebook to compute it anew.",
};

/**
 * Whether anybody can answer: false in an exported page, in a notebook that was opened without its
 * kernel, and once the kernel has gone. Hosts that do not say are taken to be connected.
 */
export function watchConnection(
  model: WidgetModel,
  el: HTMLElement,
  abort: AbortSignal,
): ReadonlySignal<boolean> {
  const read = () => model.live !== false && el.closest(`.${DISCONNECTED}`) === null;
  const connected = signal(read());
  // anywidget takes the listener off that would mark the element, and calls ours with its view.
  function update(this: unknown): void {
    const told = liveOf(this);
    queueMicrotask(() =>
      flush(() => {
        connected.value = told ?? read();
      }),
    );
  }
  listen(model, "comm_live_update", update, abort);
  return connected;
}

function liveOf(view: unknown): boolean | undefined {
  if (!isRecord(view) || !isRecord(view.model)) return undefined;
  const { comm_live } = view.model;
  return typeof comm_live === "boolean" ? comm_live : undefined;
}
