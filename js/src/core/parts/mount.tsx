import "@preact/signals";
import { Component, type FunctionComponent, type JSX, render } from "preact";
import { ThemeContext } from "../draw/theme";
import { watchConnection } from "../state/connection";
import { flush } from "../state/flush";
import type { WidgetModel } from "../state/model";
import { Rpc } from "../state/rpc";
import { ViewSession } from "../state/session";
import { Notice } from "./notice";
import { Live } from "./ui";
import { watchTheme } from "./watch_theme";

// The signals' bindings skip components whose props are as before. Preact then links what is kept to the
// tree before it, and that one to the one before: a page would hold every tree it ever drew. What is costly
// to draw is kept by `useCachedMarkup` instead.
Component.prototype.shouldComponentUpdate = () => true;

export interface PanelProps {
  session: ViewSession;
  rpc: Rpc;
  /** Inside the explorer: a card head instead of the full header. */
  compact: boolean;
}

/**
 * What one part gives another to draw in it. A function, not markup: markup that is drawn again without
 * being made anew would hold every tree that it was in.
 */
export type Draw = () => JSX.Element;

interface RenderProps {
  model: WidgetModel;
  el: HTMLElement;
  signal?: AbortSignal;
}

/** What a view's bundle exports: how a host draws it, and its panel for a tab of the explorer. */
export interface MountedBundle {
  Panel: FunctionComponent<PanelProps>;
  render(props: RenderProps): () => void;
}

/** The default export of a view's bundle. Every lifetime hangs on one AbortController. */
export function mountView(Panel: FunctionComponent<PanelProps>): MountedBundle {
  return {
    Panel,
    render({ model, el, signal }) {
      const abort = new AbortController();
      const close = () => abort.abort();
      // Older hosts know no signal and call the returned function; both may happen.
      signal?.addEventListener("abort", close, { once: true });

      const root = document.createElement("div");
      root.className = "lw-root";
      el.append(root);
      const theme = watchTheme(root, abort.signal);
      const rpc = new Rpc(model, abort.signal, watchConnection(model, el, abort.signal));
      const session = new ViewSession(model, abort.signal, rpc);
      for (const event of ["click", "change", "keydown"]) {
        const touch = () => {
          session.touched = true;
        };
        root.addEventListener(event, touch, { capture: true, once: true, signal: abort.signal });
      }
      flush(() =>
        render(
          <ThemeContext.Provider value={theme}>
            <Live.Provider value={session.connected}>
              <Notice session={session} rpc={rpc} />
              <Panel session={session} rpc={rpc} compact={false} />
            </Live.Provider>
          </ThemeContext.Provider>,
          root,
        ),
      );
      abort.signal.addEventListener(
        "abort",
        () => {
          signal?.removeEventListener("abort", close);
          render(null, root);
          root.remove();
        },
        { once: true },
      );
      if (signal?.aborted) close();
      return close;
    },
  };
}
