// Remembers the texts that a page draws on its canvases. Runs before the page's own code.

const texts = new WeakMap();
const { fillText, clearRect } = CanvasRenderingContext2D.prototype;

CanvasRenderingContext2D.prototype.fillText = function (words, x, y, ...rest) {
  const list = texts.get(this.canvas) ?? [];
  texts.set(this.canvas, list);
  const { actualBoundingBoxLeft, actualBoundingBoxRight, actualBoundingBoxAscent, actualBoundingBoxDescent } =
    this.measureText(words);
  const [left, right] = [x - actualBoundingBoxLeft, x + actualBoundingBoxRight];
  const [top, bottom] = [y - actualBoundingBoxAscent, y + actualBoundingBoxDescent];
  const corners = [left, right].flatMap((px) => [top, bottom].map((py) => new DOMPoint(px, py)));
  const placed = corners.map((corner) => corner.matrixTransform(this.getTransform()));
  const [xs, ys] = [placed.map((corner) => corner.x), placed.map((corner) => corner.y)];
  list.push({
    words: String(words),
    left: Math.min(...xs),
    right: Math.max(...xs),
    top: Math.min(...ys),
    bottom: Math.max(...ys),
    color: String(this.fillStyle),
  });
  return fillText.call(this, words, x, y, ...rest);
};

// Each picture of ours begins with a clean canvas.
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  texts.delete(this.canvas);
  return clearRect.apply(this, box);
};

/** The texts on a canvas, in its own pixels. */
export function drawn(canvas) {
  return texts.get(canvas) ?? [];
}
