import { defaultTheme, type Mode, parseHex, type RGB, type Theme } from "./theme";

/** A colour scale. Its argument runs over [0, 1], for the diverging one over [-1, 1]; the ends clamp. */
export interface Scale {
  /** 256 opaque RGBA colours from the low to the high end. */
  readonly lut: Uint8ClampedArray;
  /** CSS colour; "transparent" for NaN. */
  css(t: number): string;
  /** CSS colour of text that is readable on top. */
  ink(t: number): string;
  /** CSS gradient of the whole scale, left to right. */
  readonly gradient: string;
  readonly signed: boolean;
}

export interface Palette {
  /** Attention and probabilities, from 0. */
  sequential: Scale;
  /** Signed values around 0: blue positive, red negative. */
  diverging: Scale;
  /** Loss in nats. */
  loss: Scale;
}

// ColorBrewer's Blues, RdBu and Oranges; zero is replaced by the panel's own colour. In dark mode
// the order of lightness turns round, so that far from zero is always far from the background.
const STOPS: Record<
  Mode,
  { blues: string[]; reds: string[]; attention: string[]; loss: string[] }
> = {
  light: {
    attention: [
      "#deebf7",
      "#c6dbef",
      "#9ecae1",
      "#6baed6",
      "#4292c6",
      "#2171b5",
      "#08519c",
      "#08306b",
    ],
    blues: ["#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061"],
    reds: ["#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f"],
    loss: ["#fff0e2", "#fee2c8", "#fdc997", "#fdae6b", "#f58a3c"],
  },
  dark: {
    // The low end rises faster than in light mode: dark blue on black is seen less than on white.
    attention: ["#22476f", "#2b5d94", "#3874b4", "#508fd0", "#74abe2", "#9ec6f1", "#cbe5ff"],
    blues: ["#274d72", "#3a71a4", "#5597c8", "#80bbde", "#c5e4f5"],
    reds: ["#68362e", "#a04f3c", "#cf6f4f", "#f39a76", "#fdd3c4"],
    loss: ["#39281f", "#553524", "#774524", "#9a5726", "#c46f2a"],
  },
};

const cache = new Map<string, Palette>();

/** The scales of a theme; the same object for the same theme. */
export function palette(theme: Theme = defaultTheme("light")): Palette {
  const key = `${theme.mode} ${theme.surface.join()} ${theme.text.join()}`;
  let found = cache.get(key);
  if (!found) {
    const { attention, blues, reds, loss } = STOPS[theme.mode];
    found = {
      sequential: scale([theme.surface, ...colors(attention)], false),
      diverging: scale([...colors(reds).reverse(), theme.surface, ...colors(blues)], true),
      loss: scale([theme.surface, ...colors(loss)], false),
    };
    cache.set(key, found);
  }
  return found;
}

function colors(stops: string[]): RGB[] {
  return stops.map((stop) => parseHex(stop) ?? [0, 0, 0]);
}

function scale(stops: RGB[], signed: boolean): Scale {
  const lut = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const [r, g, b] = between(stops, i / 255);
    lut.set([r, g, b, 255], 4 * i);
  }
  const unit = (t: number) => Math.max(0, Math.min(1, signed ? (t + 1) / 2 : t));
  const color = (t: number) => between(stops, unit(t));
  return {
    lut,
    signed,
    css: (t) => (Number.isNaN(t) ? "transparent" : cssOf(color(t))),
    ink: (t) => (Number.isNaN(t) ? "inherit" : inkOn(color(t))),
    gradient: `linear-gradient(to right, ${stops.map(cssOf).join(", ")})`,
  };
}

/** The colour at `t` in [0, 1] along evenly spaced stops. */
export function between(stops: readonly RGB[], t: number): RGB {
  const position = t * (stops.length - 1);
  const index = Math.max(0, Math.min(stops.length - 2, Math.floor(position)));
  const from = stops[index] ?? [0, 0, 0];
  const to = stops[index + 1] ?? from;
  const share = position - index;
  const mix = (a: number, b: number) => a + (b - a) * share;
  return [mix(from[0], to[0]), mix(from[1], to[1]), mix(from[2], to[2])];
}

export function cssOf([r, g, b]: RGB): string {
  return `rgb(${Math.round(r)} ${Math.round(g)} ${Math.round(b)})`;
}

/** Black or white, whichever has the larger contrast by WCAG's relative luminance. */
export function inkOn(color: RGB): string {
  const luminance = relativeLuminance(color);
  const onWhite = 1.05 / (luminance + 0.05);
  const onBlack = (luminance + 0.05) / (relativeLuminance([0, 0, 0]) + 0.05);
  return onWhite > onBlack ? "#ffffff" : "#000000";
}

function relativeLuminance(color: RGB): number {
  const [r, g, b] = color.map((part) => {
    const c = part / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}
