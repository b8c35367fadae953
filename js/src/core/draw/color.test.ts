import { describe, expect, it } from "vitest";
import { colorize } from "./canvas";
import { inkOn, palette } from "./color";
import { defaultTheme, hostMode } from "./theme";

describe.each(["light", "dark"] as const)("palette in %s", (mode) => {
  const theme = defaultTheme(mode);
  const { sequential, diverging, loss } = palette(theme);
  const surface = `rgb(${theme.surface.join(" ")})`;

  it("has the panel's colour at zero", () => {
    expect(sequential.css(0)).toBe(surface);
    expect(loss.css(0)).toBe(surface);
    expect(diverging.css(0)).toBe(surface);
  });

  it("is blue above and red below zero, and clamps", () => {
    const [r = 0, , b = 0] = parse(diverging.css(0.6));
    expect(b).toBeGreaterThan(r);
    const [r2 = 0, , b2 = 0] = parse(diverging.css(-0.6));
    expect(r2).toBeGreaterThan(b2);
    expect(sequential.css(7)).toBe(sequential.css(1));
    expect(diverging.css(-7)).toBe(diverging.css(-1));
  });

  it("moves away from the background without turning back", () => {
    const distance = (t: number) =>
      parse(sequential.css(t)).reduce(
        (sum, c, i) => sum + Math.abs(c - (theme.surface[i] ?? 0)),
        0,
      );
    let before = -1;
    for (let t = 0; t <= 1; t += 0.02) {
      const now = distance(t);
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
  });

  it("shows weak values", () => {
    // By WCAG's relative luminance: a tenth of the scale, and a tenth of each side of a signed one.
    const least = mode === "dark" ? 1.28 : 1.1;
    for (const css of [sequential.css(0.1), diverging.css(0.1), diverging.css(-0.1)]) {
      expect(contrast(parse(css), theme.surface)).toBeGreaterThan(least);
    }
  });

  it("hides what is not known", () => {
    expect(sequential.css(Number.NaN)).toBe("transparent");
    const pixels = new Uint8ClampedArray(12);
    const values = Float32Array.of(0, 1, Number.NaN);
    colorize(values, 1, 3, { scale: sequential, hi: 1 }, pixels);
    expect([...pixels.subarray(0, 4)]).toEqual([...theme.surface, 255]);
    expect([...pixels.subarray(4, 8)]).toEqual([...sequential.lut.subarray(1020)]);
    expect(pixels[11]).toBe(0);
  });

  it("puts zero of a signed scale in the middle", () => {
    const pixels = new Uint8ClampedArray(12);
    colorize(Float32Array.of(-2, 0, 2), 1, 3, { scale: diverging, hi: 2 }, pixels);
    expect([...pixels.subarray(0, 4)]).toEqual([...diverging.lut.subarray(0, 4)]);
    expect([...pixels.subarray(8)]).toEqual([...diverging.lut.subarray(1020)]);
    for (const [i, part] of theme.surface.entries()) {
      expect(Math.abs((pixels[4 + i] ?? 0) - part)).toBeLessThan(6);
    }
  });
});

function parse(css: string): number[] {
  return (css.match(/\d+/g) ?? []).map(Number);
}

it("chooses readable ink", () => {
  expect(inkOn([8, 48, 107])).toBe("#ffffff");
  expect(inkOn([255, 255, 255])).toBe("#000000");
});

it("is one palette per theme", () => {
  expect(palette(defaultTheme("dark"))).toBe(palette(defaultTheme("dark")));
});

describe("hostMode", () => {
  const doc = (set: (doc: Document) => void) => {
    const made = document.implementation.createHTMLDocument("");
    set(made);
    return made;
  };
  const cases: [string, (doc: Document) => void, boolean, string][] = [
    [
      "JupyterLab light on a dark system",
      ({ body }) => (body.dataset.jpThemeLight = "true"),
      true,
      "light",
    ],
    ["JupyterLab dark", ({ body }) => (body.dataset.jpThemeLight = "false"), false, "dark"],
    ["VS Code dark", ({ body }) => (body.dataset.vscodeThemeKind = "vscode-dark"), false, "dark"],
    [
      "VS Code high contrast light",
      ({ body }) => (body.dataset.vscodeThemeKind = "vscode-high-contrast-light"),
      true,
      "light",
    ],
    ["VS Code by class", ({ body }) => body.classList.add("vscode-dark"), false, "dark"],
    ["marimo dark", ({ body }) => body.classList.add("dark"), false, "dark"],
    [
      "Colab dark",
      ({ documentElement }) => documentElement.setAttribute("theme", "dark"),
      false,
      "dark",
    ],
    ["a plain page on a dark system", () => undefined, true, "dark"],
    ["a plain page on a light system", () => undefined, false, "light"],
  ];
  it.each(cases)("knows %s", (_name, set, system, mode) => {
    expect(hostMode(doc(set), system)).toBe(mode);
  });
});

function contrast(one: readonly number[], other: readonly number[]): number {
  const luminance = (color: readonly number[]) => {
    const [r = 0, g = 0, b = 0] = color.map((part) => {
      const c = part / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const [a, b] = [luminance(one), luminance(other)];
  return Math.max(a, b) / Math.min(a, b);
}
