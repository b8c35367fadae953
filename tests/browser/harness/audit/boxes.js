// Boxes on screen: nothing is cut off, nothing scrolls in what scrolls, targets can be hit, what is chosen is seen.

import { brief, called, crossed, isEmpty, isShown, windows, words } from "./page.js";

export function* boxesCut(root) {
  for (const element of root.querySelectorAll("canvas, svg, button, input, select, img")) {
    if (!isShown(element)) continue;
    const { hard, soft, aside } = windows(element.parentElement);
    const box = element.getBoundingClientRect();
    if (aside || isEmpty(box) || isEmpty(crossed(box, soft))) continue;
    const lacks = Math.max(hard.left - box.left, box.right - hard.right, hard.top - box.top, box.bottom - hard.bottom);
    if (lacks > 1) yield `cut by ${Math.ceil(lacks)} px: the ${element.tagName.toLowerCase()} ${words(element)} in ${called(element.parentElement)}`;
  }
}

export function* scrollers(root) {
  const output = root.closest("#views > *");
  if (output.scrollHeight > output.clientHeight + 1) {
    yield `the output scrolls: ${output.scrollHeight} px in ${output.clientHeight}`;
  }
  if (output.scrollWidth > output.clientWidth) {
    yield `the output scrolls sideways: ${output.scrollWidth} px in ${output.clientWidth}`;
  }
  const all = [...root.querySelectorAll("*")].filter((element) => scrolled(element) !== "");
  for (const element of all) {
    const { scrollWidth, scrollHeight, clientWidth, clientHeight } = element;
    const sizes = `${scrollWidth} x ${scrollHeight} px in ${clientWidth} x ${clientHeight}`;
    if (scrolled(element) === "xy") yield `two scrollbars: ${called(element)}, ${sizes}`;
    const outer = all.find((other) => other !== element && other.contains(element));
    if (outer) yield `scrolls in what scrolls: ${called(element)} in ${called(outer)}, ${sizes}`;
  }
}

function scrolled(element) {
  const { overflowX, overflowY } = getComputedStyle(element);
  const does = (overflow, more) => (overflow === "auto" || overflow === "scroll") && more > 1;
  const x = does(overflowX, element.scrollWidth - element.clientWidth) ? "x" : "";
  return x + (does(overflowY, element.scrollHeight - element.clientHeight) ? "y" : "");
}

const TARGETS = `a[href], button, input, select, textarea, summary, [tabindex="0"],
  [role=button], [role=switch], [role=radio], [role=tab], [role=option], [role=checkbox], [role=slider]`;
// Cells of maps are as large as their map has room for; a head's thumbnail is one.
const CELLS = '[role=grid] [role=gridcell], [role=grid] [role=gridcell] *, .lw-head-cell';
// So are the nodes and edges of a drawn circuit, the points of a curve, and the bars of a histogram.
const DRAWN = ".lw-circuit-node, .lw-circuit-edge, .lw-circuit-stop, .lw-data-bar";
const LEAST = 24;

export function* smallTargets(root) {
  for (const element of root.querySelectorAll(TARGETS)) {
    if (!isShown(element) || element.matches(CELLS) || element.closest(DRAWN) || element.disabled) continue;
    const target = element.closest("label") ?? element;
    const box = target.getBoundingClientRect();
    const { hard, soft, aside } = windows(element.parentElement);
    if (aside || isEmpty(crossed(crossed(box, hard), soft))) continue;
    const [width, height] = [box.width, box.height].map((size) => Math.round(10 * size) / 10);
    if (Math.min(width, height) >= LEAST || isHit(target)) continue;
    yield `small target, ${width} x ${height} px: ${words(element)} in ${called(element)}`;
  }
}

// A small mark can have a larger box around it that takes the click.
function isHit(element) {
  const before = window.scrollY;
  element.scrollIntoView({ block: "center" });
  const { left, top, width, height } = element.getBoundingClientRect();
  const [x, y] = [left + width / 2, top + height / 2];
  const [reach, none] = [LEAST / 2 - 0.5, 0];
  const hit = [[-reach, none], [reach, none], [none, -reach], [none, reach]].every(([right, down]) => {
    const under = document.elementFromPoint(x + right, y + down);
    return under !== null && element.contains(under);
  });
  window.scrollTo(0, before);
  return hit;
}

// The middle of what is chosen, in each box that scrolls; of maps that all have it, one is enough.
export function* outOfView(root) {
  const chosen = [...root.querySelectorAll('[aria-selected="true"], [data-selected]')].filter(isShown);
  const viewOf = (element) => element.closest("[data-lw-view]");
  const seen = new Set(chosen.filter(isSeen).map(viewOf));
  for (const element of chosen) {
    if (isSeen(element) || seen.has(viewOf(element))) continue;
    yield `selection out of view: ${brief(words(element))} in ${called(element)}`;
  }
}

function isSeen(element) {
  const { left, top, width, height } = element.getBoundingClientRect();
  const { soft, hard } = windows(element.parentElement);
  const box = crossed(soft, hard);
  const [x, y] = [left + width / 2, top + height / 2];
  return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
}
