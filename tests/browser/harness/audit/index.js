// What is wrong with what is on screen, one readable line a finding: window.audit(name of a view).

import { boxesCut, outOfView, scrollers, smallTargets } from "./boxes.js";
import { contrasts } from "./contrast.js";
import { called, words } from "./page.js";
import { fieldsCut, textsCut, textsIn, textsOver } from "./texts.js";

window.audit = (view) => {
  const root = window.find(view);
  const texts = textsIn(root);
  return grouped([
    ...textsCut(texts),
    ...fieldsCut(root),
    ...boxesCut(root),
    ...textsOver(texts),
    ...contrasts(root, texts),
    ...scrollers(root),
    ...smallTargets(root),
    ...outOfView(root),
  ]);
};

/** What a notebook has around a view: an output that shows scrollbars, and a next cell to push away. */
export function asOutput(host) {
  host.style.overflow = "auto";
  const next = document.createElement("p");
  next.textContent = "The next cell.";
  next.style.height = "600px";
  host.after(next);
}

// The same thing in each of thirty rows is one line; which numbers are in it makes no difference.
function grouped(lines) {
  const kinds = new Map();
  for (const line of lines) {
    const kind = line.replace(/[\d.,+−-]+/g, "0").replace(/'(?:[^'\\]|\\.)*'/g, "''");
    const known = kinds.get(kind);
    if (known) known.more += 1;
    else kinds.set(kind, { line, more: 0 });
  }
  return [...kinds.values()].map(({ line, more }) => (more ? `${line} (and ${more} more)` : line));
}

// What moved while the numbers came, as the browser counts it: 0.1 is what people notice.
window.shifts = { total: 0, lines: [] };
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries()) {
    if (hadRecentInput) continue;
    window.shifts.total += value;
    for (const { node, previousRect: from, currentRect: to } of sources) {
      const element = node instanceof Element ? node : (node?.parentElement ?? document.body);
      const moved = `by ${Math.round(to.x - from.x)}, ${Math.round(to.y - from.y)} px`;
      window.shifts.lines.push(`${value.toFixed(3)} ${moved}: ${words(element)} in ${called(element)}`);
    }
  }
}).observe({ type: "layout-shift", buffered: true });

// Two frames after the last change, when observers of sizes have had their say.
window.settled = () =>
  new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));
