// Letters stand out from what they are written on: 4.5 to 1, as WCAG 2.2 asks for (1.4.3).

import { brief, called, isEmpty, isShown } from "./page.js";

const LEAST = 4.5;
const NOTHING = [255, 255, 255, 0];

export function* contrasts(root, texts) {
  const backgrounds = new Map();
  const under = (element) => {
    if (!backgrounds.has(element)) backgrounds.set(element, background(element));
    return backgrounds.get(element);
  };
  const canvases = new Map();
  for (const { words, element, seen, color, place } of texts) {
    if (isEmpty(seen) || element.closest(":disabled, [aria-disabled=true]")) continue;
    const paper = color ? painted(element, place, canvases) : NOTHING;
    const ground = over(paper, under(element));
    const ratio = between(over(color ? rgba(color) : inkOf(element), ground), ground);
    if (ratio < LEAST) yield faint(ratio, words, element);
  }
  for (const field of root.querySelectorAll("input[placeholder]")) {
    if (field.value || !field.placeholder || !isShown(field)) continue;
    const ground = under(field);
    const ratio = between(over(rgba(getComputedStyle(field, "::placeholder").color), ground), ground);
    if (ratio < LEAST) yield faint(ratio, field.placeholder, field);
  }
}

const faint = (ratio, words, element) => `contrast ${ratio.toFixed(1)}: '${brief(words)}' in ${called(element)}`;

function inkOf(element) {
  const style = getComputedStyle(element);
  const [r, g, b, a] = rgba(element instanceof SVGElement ? style.fill : style.color);
  let share = a;
  for (let at = element; at; at = at.parentElement) share *= Number(getComputedStyle(at).opacity);
  return [r, g, b, share];
}

function background(element) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const color = rgba(getComputedStyle(at).backgroundColor);
    if (color[3] > 0) layers.push(color);
    if (color[3] === 1) break;
  }
  return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
}

// What most of the pixels around the letters are: letters cover less than half of their box.
function painted(canvas, { left, top, right, bottom }, images) {
  if (!images.has(canvas)) {
    images.set(canvas, canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height));
  }
  const { data, width, height } = images.get(canvas);
  const counts = new Map();
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(height, Math.ceil(bottom)); y++) {
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(width, Math.ceil(right)); x++) {
      const at = 4 * (y * width + x);
      const key = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  if (counts.size === 0) return NOTHING;
  const [most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
  return [(most >>> 24) & 255, (most >>> 16) & 255, (most >>> 8) & 255, (most & 255) / 255];
}

const read = new Map();
const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
pen.canvas.width = pen.canvas.height = 1;

// Any colour that the browser knows, as red, green and blue of 255, and how much it covers.
function rgba(css) {
  const known = read.get(css);
  if (known) return known;
  pen.globalCompositeOperation = "copy";
  pen.fillStyle = "transparent";
  pen.fillStyle = css;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
  const made = [r, g, b, a / 255];
  read.set(css, made);
  return made;
}

function over([r, g, b, a], below) {
  const mix = [r, g, b].map((part, i) => a * part + (1 - a) * below[i]);
  return [...mix, 1];
}

function between(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
