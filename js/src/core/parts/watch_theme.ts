import { type ReadonlySignal, signal } from "@preact/signals";
import { defaultTheme, hostMode, readTheme, type Theme } from "../draw/theme";
import { flush } from "../state/flush";

const WATCHED = [
  "class",
  "style",
  "theme",
  "data-theme",
  "data-jp-theme-light",
  "data-jp-theme-name",
];
const CODE_WATCHED = ["data-vscode-theme-kind", "data-vscode-theme-name", "data-vscode-theme-id"];
// JupyterLab sets its attribute before the browser has the new style sheet's variables.
const SETTLE_MS = [0, 100, 400, 1500];

/** Follows the host's theme until the signal aborts; keeps `data-lw-theme` on the root. */
export function watchTheme(root: HTMLElement, abort: AbortSignal): ReadonlySignal<Theme> {
  const doc = root.ownerDocument;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = signal<Theme>(defaultTheme(hostMode(doc, system.matches)));
  const update = () => {
    const mode = hostMode(doc, system.matches);
    root.dataset.lwTheme = mode;
    const next = readTheme(root, mode);
    if (JSON.stringify(next) === JSON.stringify(theme.peek())) return;
    flush(() => {
      theme.value = next;
    });
  };
  let timers: ReturnType<typeof setTimeout>[] = [];
  const updateSoon = () => {
    update();
    for (const timer of timers) clearTimeout(timer);
    timers = SETTLE_MS.map((delay) => setTimeout(update, delay));
  };
  const observer = new MutationObserver(updateSoon);
  const attributeFilter = [...WATCHED, ...CODE_WATCHED];
  observer.observe(doc.body, { attributes: true, attributeFilter });
  observer.observe(doc.documentElement, { attributes: true, attributeFilter });
  system.addEventListener("change", updateSoon, { signal: abort });
  abort.addEventListener(
    "abort",
    () => {
      observer.disconnect();
      for (const timer of timers) clearTimeout(timer);
    },
    { once: true },
  );
  updateSoon();
  return theme;
}
