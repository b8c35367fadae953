import { type Signal, signal } from "@preact/signals";
import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import type { Scale } from "./color";

/** How values map to a scale: `hi` is the high end; the low end is 0, or -hi for a signed scale. */
export interface Ramp {
  scale: Scale;
  hi: number;
  /** What has the scale's zero colour, where that is not 0; `hi` counts from there. */
  center?: number;
  /** Colours go with the square root, so that weak values are told from none. */
  root?: boolean;
  /** Larger values have the colours of smaller ones. */
  flipped?: boolean;
}

/** Where on the scale a value is: 0 to 1, or -1 to 1 for a signed scale; beyond where it is. */
export function shadeOf(value: number, { hi, center = 0, flipped, root }: Ramp): number {
  const linear = (value - center) / (hi > 0 ? hi : 1);
  const shade = root ? Math.sign(linear) * Math.sqrt(Math.abs(linear)) : linear;
  return flipped ? -shade : shade;
}

/** Whether a value is beyond the ends of its scale, where all colours are alike. */
export function isBeyond(value: number, ramp: Ramp): boolean {
  const shade = shadeOf(value, ramp);
  const [least, slack] = [ramp.scale.signed ? -1 : 0, 1e-3];
  return shade > 1 + slack || shade < least - slack;
}

/** Colours a block of values, one pixel a cell. Pure: `pixels` has `rows * cols * 4` bytes. */
export function colorize(
  values: Float32Array,
  rows: number,
  cols: number,
  ramp: Ramp,
  pixels: Uint8ClampedArray,
): void {
  const { lut, signed } = ramp.scale;
  for (let i = 0; i < rows * cols; i++) {
    const shade = shadeOf(values[i] ?? Number.NaN, ramp);
    const t = signed ? (shade + 1) / 2 : shade;
    // NaN compares false and becomes transparent.
    const known = t >= 0 || t < 0;
    const step = known ? Math.max(0, Math.min(255, Math.round(t * 255))) * 4 : 0;
    const out = 4 * i;
    pixels[out] = lut[step] ?? 0;
    pixels[out + 1] = lut[step + 1] ?? 0;
    pixels[out + 2] = lut[step + 2] ?? 0;
    pixels[out + 3] = known ? 255 : 0;
  }
}

/** A picture of the values at one pixel a cell, to be drawn with `drawCells`. */
export function heatmap(
  values: Float32Array,
  rows: number,
  cols: number,
  ramp: Ramp,
): HTMLCanvasElement | null {
  if (rows === 0 || cols === 0) return null;
  const canvas = document.createElement("canvas");
  canvas.width = cols;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  if (!context) return null;
  const image = context.createImageData(cols, rows);
  colorize(values, rows, cols, ramp, image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Draws a part of a heatmap without smoothing: a cell is a sharp rectangle. */
export function drawCells(
  context: CanvasRenderingContext2D,
  image: HTMLCanvasElement,
  from: Rect,
  to: Rect,
): void {
  context.imageSmoothingEnabled = false;
  context.drawImage(
    image,
    from.x,
    from.y,
    from.width,
    from.height,
    to.x,
    to.y,
    to.width,
    to.height,
  );
}

/** While a picture is made, the pixel ratio that canvases are drawn at; else 0. */
export const printRatio: Signal<number> = signal(0);

/** Sizes the canvas for the screen's pixels and clears it; the context then draws in CSS pixels. */
export function prepare(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D | null {
  const ratio = Math.max(window.devicePixelRatio || 1, printRatio.peek());
  const pixelWidth = Math.round(width * ratio);
  const pixelHeight = Math.round(height * ratio);
  // Assigning a size clears and reallocates, so it is only done when it differs.
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  if (!context) return null;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export interface Size {
  width: number;
  height: number;
}

/** The element's content size, kept up to date; zero until it is laid out. Also follows the zoom of the page. */
export function useSize<E extends HTMLElement>(ref: RefObject<E | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const measure = () => {
      const style = getComputedStyle(element);
      const inner = (total: number, a: string, b: string) =>
        Math.max(0, total - (Number.parseFloat(a) || 0) - (Number.parseFloat(b) || 0));
      const width = inner(element.clientWidth, style.paddingLeft, style.paddingRight);
      const height = inner(element.clientHeight, style.paddingTop, style.paddingBottom);
      setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return size;
}

/** Counts changes of the screen's pixel ratio, so that a canvas can depend on it. */
export function usePixelRatio(): number {
  const [ratio, setRatio] = useState(window.devicePixelRatio || 1);
  useLayoutEffect(() => {
    const abort = new AbortController();
    matchMedia(`(resolution: ${ratio}dppx)`).addEventListener(
      "change",
      () => setRatio(window.devicePixelRatio || 1),
      { signal: abort.signal },
    );
    return () => abort.abort();
  }, [ratio]);
  return Math.max(ratio, printRatio.value);
}
