import { type ReadonlySignal, signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext, useMemo, useRef } from "preact/hooks";

export type RGB = readonly [number, number, number];
export type Mode = "light" | "dark";

/** What drawing needs to know of the host's theme. `surface` is the panels' colour: the zero of scales. */
export interface Theme {
  mode: Mode;
  surface: RGB;
  text: RGB;
}

const SURFACE: Record<Mode, RGB> = { light: [255, 255, 255], dark: [22, 25, 31] };
const TEXT: Record<Mode, RGB> = { light: [27, 31, 36], dark: [230, 233, 237] };

export function defaultTheme(mode: Mode): Theme {
  return { mode, surface: SURFACE[mode], text: TEXT[mode] };
}

export const ThemeContext = createContext<ReadonlySignal<Theme>>(signal(defaultTheme("light")));

/** The current theme; the component is rendered again when it changes. */
export function useTheme(): Theme {
  return useContext(ThemeContext).value;
}

/** The host's mode: JupyterLab's and VS Code's own marks first, then marimo's and Colab's, then the system's. */
export function hostMode(doc: Document, systemDark: boolean): Mode {
  const { body, documentElement: html } = doc;
  const lab = body.dataset.jpThemeLight;
  if (lab !== undefined) return lab === "false" ? "dark" : "light";
  const code = body.dataset.vscodeThemeKind;
  if (code !== undefined) {
    return code.includes("dark") || code === "vscode-high-contrast" ? "dark" : "light";
  }
  if (body.classList.contains("vscode-dark")) return "dark";
  if (body.classList.contains("vscode-high-contrast")) return "dark";
  if (body.classList.contains("vscode-light")) return "light";
  for (const element of [body, html]) {
    const named = element.dataset.theme ?? element.getAttribute("theme");
    if (named === "dark" || element.classList.contains("dark")) return "dark";
    if (named === "light" || element.classList.contains("light")) return "light";
  }
  return systemDark ? "dark" : "light";
}

/** The theme as the style sheet says it at `root`. */
export function readTheme(root: HTMLElement, mode: Mode): Theme {
  const style = getComputedStyle(root);
  const read = (name: string) => parseColor(style.getPropertyValue(name).trim());
  return {
    mode,
    surface: read("--lw-surface") ?? SURFACE[mode],
    text: read("--lw-text") ?? TEXT[mode],
  };
}

/** What a canvas must be told of the style sheet: fonts and the colours of marks. */
export interface Look {
  text: string;
  mono: string;
  accent: string;
  ablate: string;
  muted: string;
}

const LOOK: Look = {
  text: "sans-serif",
  mono: "monospace",
  accent: "#1f6feb",
  ablate: "#c8432b",
  muted: "#5c6773",
};

/** The look as it is around an element; the same object until something of it changes. */
export function useLook(box: { readonly current: HTMLElement | null }): Look {
  const theme = useTheme();
  const known = useRef(LOOK);
  // Read after the first commit, when the element exists; `theme` changes with the variables.
  return useMemo(() => {
    if (!box.current) return known.current;
    const style = getComputedStyle(box.current);
    const read = (name: string, missing: string) => style.getPropertyValue(name).trim() || missing;
    known.current = {
      text: read("--lw-font", LOOK.text),
      mono: read("--lw-mono", LOOK.mono),
      accent: read("--lw-accent", LOOK.accent),
      ablate: read("--lw-ablate", LOOK.ablate),
      muted: read("--lw-muted", LOOK.muted),
    };
    return known.current;
  }, [theme, box.current]);
}

let probe: CanvasRenderingContext2D | null = null;

/** Any opaque CSS colour; null for what the browser does not read as one. */
export function parseColor(css: string): RGB | null {
  if (css === "") return null;
  probe ??= document.createElement("canvas").getContext("2d");
  if (!probe) return parseHex(css);
  probe.fillStyle = "#010203";
  probe.fillStyle = css;
  const read = String(probe.fillStyle);
  return read === "#010203" ? null : parseHex(read);
}

export function parseHex(css: string): RGB | null {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(css);
  if (!match) return null;
  const part = (text: string | undefined) => Number.parseInt(text ?? "0", 16);
  return [part(match[1]), part(match[2]), part(match[3])];
}

/** The text's colour, so faint that it shows `share` of itself. */
export function faint(theme: Theme, share: number): string {
  const [r, g, b] = theme.text;
  return `rgb(${r} ${g} ${b} / ${share})`;
}
