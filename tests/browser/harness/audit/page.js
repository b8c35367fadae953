// What of a page can be seen: which boxes cut off what is in them, and how elements are called in findings.

const cuts = (overflow) => overflow === "hidden" || overflow === "clip";
const scrolls = (overflow) => overflow === "auto" || overflow === "scroll";
const EVERYWHERE = { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity };

// Boxes in which an element is seen: `hard` ones cut it off for good, `soft` ones can be scrolled.
// `aside` is what is there for screen readers only.
let known = new WeakMap();
export function forget() {
  known = new WeakMap();
}

export function windows(element) {
  const found = known.get(element);
  if (found) return found;
  const made = look(element);
  known.set(element, made);
  return made;
}

function look(element) {
  const style = getComputedStyle(element);
  const parent = style.position === "absolute" ? (element.offsetParent ?? element.parentElement) : element.parentElement;
  const outer =
    parent && parent !== document.body && style.position !== "fixed"
      ? windows(parent)
      : { hard: EVERYWHERE, soft: EVERYWHERE, aside: false };
  let { hard, soft, aside } = outer;
  if (element instanceof SVGElement && !(element instanceof SVGSVGElement)) return outer;
  const { overflowX: x, overflowY: y } = style;
  if (x !== "visible" || y !== "visible") {
    const box = inner(element);
    // What is scrolled can be brought into sight: boxes further out cut the scroller, not what is in it.
    hard = narrowed(released(hard, scrolls(x), scrolls(y)), box, cuts(x), cuts(y));
    soft = narrowed(soft, box, scrolls(x), scrolls(y));
    aside ||= (cuts(x) && box.right - box.left <= 2) || (cuts(y) && box.bottom - box.top <= 2);
  }
  aside ||= style.clipPath.startsWith("inset(50%");
  return { hard, soft, aside };
}

function released(box, x, y) {
  return { ...box, ...(x && { left: -Infinity, right: Infinity }), ...(y && { top: -Infinity, bottom: Infinity }) };
}

function inner(element) {
  const { left, top } = element.getBoundingClientRect();
  const [x, y] = [left + element.clientLeft, top + element.clientTop];
  return { left: x, top: y, right: x + element.clientWidth, bottom: y + element.clientHeight };
}

function narrowed(box, by, x, y) {
  return {
    left: x ? Math.max(box.left, by.left) : box.left,
    right: x ? Math.min(box.right, by.right) : box.right,
    top: y ? Math.max(box.top, by.top) : box.top,
    bottom: y ? Math.min(box.bottom, by.bottom) : box.bottom,
  };
}

export function crossed(a, b) {
  return narrowed(a, b, true, true);
}

export function isEmpty({ left, top, right, bottom }) {
  return right - left <= 0 || bottom - top <= 0;
}

export function isShown(element) {
  return element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
}

// `.lw-table-row in .lw-view-attribution`: what of the element a person looks for in the sources.
export function called(element) {
  const own = element.closest("[class*=lw-]");
  const view = element.closest("[data-lw-view]")?.dataset.lwView ?? "";
  const name = own ? `.${nameOf(own)}` : element.tagName.toLowerCase();
  return `${name} of ${view}`;
}

const nameOf = (element) => [...element.classList].find((name) => name.startsWith("lw-"));

export function words(element) {
  const said = element.getAttribute("aria-label") || element.textContent || element.getAttribute("title") || "";
  return `'${brief(said)}'`;
}

export function brief(text) {
  const line = text.trim().replace(/\s+/g, " ").replaceAll("'", "’");
  return line.length > 40 ? `${line.slice(0, 39)}…` : line;
}
