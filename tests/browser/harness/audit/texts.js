// Texts on screen, those of the document and those drawn on canvases: none is cut, none lies over another.

import { drawn } from "./canvas.js";
import { brief, called, crossed, forget, isEmpty, isShown, windows } from "./page.js";

/** Pixels that nobody sees. */
const SLACK = 1;

// Each line of each text: its words, its element, where its letters are and where they can be seen.
export function textsIn(root) {
  forget();
  return [...written(root), ...painted(root)];
}

function* written(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("option, script, style") || !isShown(element)) continue;
    const { hard, soft, aside } = windows(element);
    if (aside) continue;
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      if (rect.width === 0) continue;
      const letters = inked(rect);
      const corners = element instanceof SVGElement ? turned(element) : null;
      const seen = crossed(letters, crossed(hard, soft));
      if (isEmpty(crossed(letters, soft))) continue;
      yield { words: node.data, element, letters, seen, hard, corners };
    }
  }
}

// The box of a line has room above and below its letters; what does not cross those is not seen.
function inked({ left, top, right, bottom }) {
  const room = 0.16 * (bottom - top);
  return { left, top: top + room, right, bottom: bottom - room };
}

// The corners of a text in a drawing, which may be written at an angle.
function turned(element) {
  const { x, y, width, height } = element.getBBox();
  const matrix = element.getScreenCTM();
  const at = (px, py) => new DOMPoint(px, py).matrixTransform(matrix);
  const [up, down] = [y + 0.16 * height, y + 0.84 * height];
  return [at(x, up), at(x + width, up), at(x + width, down), at(x, down)];
}

// Two boxes at angles are apart where a line along some side of them has one at each side.
function apart(a, b) {
  return [a, b].some((shape) =>
    shape.some(({ x, y }, i) => {
      const next = shape[(i + 1) % shape.length];
      const [nx, ny] = [next.y - y, x - next.x];
      const [one, other] = [a, b].map((points) => points.map((point) => nx * point.x + ny * point.y));
      return Math.max(...one) <= Math.min(...other) || Math.max(...other) <= Math.min(...one);
    }),
  );
}

const square = ({ left, top, right, bottom }) =>
  [[left, top], [right, top], [right, bottom], [left, bottom]].map(([x, y]) => ({ x, y }));

function* painted(root) {
  for (const canvas of root.querySelectorAll("canvas")) {
    if (!isShown(canvas)) continue;
    const { hard, soft } = windows(canvas);
    const box = canvas.getBoundingClientRect();
    const [x, y] = [box.width / canvas.width, box.height / canvas.height];
    for (const { words, left, top, right, bottom, color } of drawn(canvas)) {
      const letters = {
        left: box.left + left * x,
        top: box.top + top * y,
        right: box.left + right * x,
        bottom: box.top + bottom * y,
      };
      if (isEmpty(crossed(letters, soft))) continue;
      const whole = crossed(hard, box);
      const seen = crossed(letters, crossed(whole, soft));
      yield { words, element: canvas, letters, seen, hard: whole, color, place: { left, top, right, bottom } };
    }
  }
}

/** So many letters of a long token say which one it is; the readout has all of it. */
const TELLING = 4;

export function* textsCut(texts) {
  for (const { words, element, letters, hard, color } of texts) {
    const lacks = Math.max(
      hard.left - letters.left,
      letters.right - hard.right,
      hard.top - letters.top,
      letters.bottom - hard.bottom,
    );
    if (lacks > SLACK) yield `text cut by ${Math.ceil(lacks)} px: '${brief(words)}' in ${called(element)}`;
    else if (color && words.endsWith("…") && words.length <= TELLING) yield `text shortened: '${brief(words)}' in ${called(element)}`;
  }
}

/** What the arrow of a list to choose from takes. */
const ARROW = 18;

export function* fieldsCut(root) {
  const pen = document.createElement("canvas").getContext("2d");
  for (const field of root.querySelectorAll("input, select")) {
    if (!isShown(field) || ["checkbox", "radio", "range"].includes(field.type)) continue;
    const style = getComputedStyle(field);
    const list = field instanceof HTMLSelectElement;
    const text = list ? (field.selectedOptions[0]?.label ?? "") : field.value || field.placeholder;
    pen.font = style.font;
    const room = field.clientWidth - Number.parseFloat(style.paddingLeft) - Number.parseFloat(style.paddingRight);
    const lacks = pen.measureText(text).width - room + (list ? ARROW : 0);
    if (lacks > SLACK) yield `text cut by ${Math.ceil(lacks)} px: '${brief(text)}' in the field ${called(field)}`;
  }
}

export function* textsOver(texts) {
  const shown = texts.filter(({ seen }) => !isEmpty(seen)).sort((a, b) => a.seen.top - b.seen.top);
  let open = [];
  for (const text of shown) {
    open = open.filter(({ seen }) => seen.bottom > text.seen.top);
    for (const other of open) {
      const both = crossed(text.seen, other.seen);
      if (both.right - both.left < 1.5 || both.bottom - both.top < 1.5) continue;
      if (text.words === other.words && text.element === other.element) continue;
      if ((text.corners || other.corners) && apart(text.corners ?? square(text.seen), other.corners ?? square(other.seen)))
        continue;
      if (isCovered(text, other, both)) continue;
      yield `texts over each other: '${brief(other.words)}' and '${brief(text.words)}' in ${called(text.element)}`;
    }
    open.push(text);
  }
}

// Rows that scroll below a header that stays are not seen through it.
function isCovered(a, b, both) {
  const [x, y] = [(both.left + both.right) / 2, (both.top + both.bottom) / 2];
  const before = window.scrollY;
  if (y < 0 || y > innerHeight) window.scrollBy(0, y - innerHeight / 2);
  const pile = document.elementsFromPoint(x, y - (window.scrollY - before));
  window.scrollTo(0, before);
  const hides = (element, text) => isOpaque(element) && !element.contains(text.element);
  return [a, b].some((text) => {
    const above = pile.slice(0, Math.max(0, pile.findIndex((element) => element.contains(text.element))));
    return above.some((element) => hides(element, text));
  });
}

const isOpaque = (element) => getComputedStyle(element).backgroundColor.startsWith("rgb(");
