// A view as a picture. The page's own boxes, canvases, drawings and texts are painted where they
// stand, so nothing is loaded, no policy of the page is in the way, and what is seen is what is saved.

const LEFT_OUT = "[data-lw-unprinted], .lw-aside, .lw-tooltip, textarea.lw-clipboard";

/** Paints an element and all in it, at `scale` pixels for one of CSS. */
export async function paintElement(
  root: HTMLElement,
  ground: string,
  scale: number,
): Promise<HTMLCanvasElement | null> {
  const frame = root.getBoundingClientRect();
  const canvas = root.ownerDocument.createElement("canvas");
  canvas.width = Math.ceil(frame.width * scale);
  canvas.height = Math.ceil(frame.height * scale);
  const context = canvas.getContext("2d");
  if (!context || canvas.width === 0 || canvas.height === 0) return null;
  const drawings = await readDrawings(root);
  context.fillStyle = ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(scale, 0, 0, scale, -frame.left * scale, -frame.top * scale);
  paint(root, context, drawings);
  return canvas;
}

function paint(
  element: Element,
  context: CanvasRenderingContext2D,
  drawings: ReadonlyMap<Element, HTMLImageElement>,
): void {
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden" || element.matches(LEFT_OUT))
    return;
  const opacity = Number(style.opacity);
  if (opacity === 0) return;
  const box = element.getBoundingClientRect();
  context.save();
  context.globalAlpha *= opacity;
  if (style.display !== "contents") paintBox(context, box, style);
  if (element instanceof HTMLCanvasElement) {
    if (element.width > 0 && element.height > 0) {
      context.drawImage(element, box.left, box.top, box.width, box.height);
    }
  } else if (element instanceof SVGElement) {
    const image = drawings.get(element);
    if (image) context.drawImage(image, box.left, box.top, box.width, box.height);
  } else {
    if (style.overflowX !== "visible" || style.overflowY !== "visible") {
      context.beginPath();
      context.rect(box.left, box.top, box.width, box.height);
      context.clip();
    }
    if (element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement) {
      const left = box.left + Number.parseFloat(style.paddingLeft);
      write(context, element.value || element.placeholder, left, box, style);
    }
    for (const node of element.childNodes) {
      if (node instanceof Text) paintText(context, node, style);
      else if (node instanceof Element) paint(node, context, drawings);
    }
  }
  context.restore();
}

function paintBox(context: CanvasRenderingContext2D, box: DOMRect, style: CSSStyleDeclaration) {
  const radius = Math.min(Number.parseFloat(style.borderTopLeftRadius) || 0, box.height / 2);
  const shape = (inset: number) => {
    context.beginPath();
    const [width, height] = [box.width - 2 * inset, box.height - 2 * inset];
    context.roundRect(
      box.left + inset,
      box.top + inset,
      width,
      height,
      Math.max(0, radius - inset),
    );
  };
  if (visible(style.backgroundColor)) {
    context.fillStyle = style.backgroundColor;
    shape(0);
    context.fill();
  }
  const gradient = gradientOf(context, box, style.backgroundImage);
  if (gradient) {
    context.fillStyle = gradient;
    shape(0);
    context.fill();
  }
  const sides = [
    [style.borderTopWidth, style.borderTopStyle, style.borderTopColor],
    [style.borderRightWidth, style.borderRightStyle, style.borderRightColor],
    [style.borderBottomWidth, style.borderBottomStyle, style.borderBottomColor],
    [style.borderLeftWidth, style.borderLeftStyle, style.borderLeftColor],
  ].map(([width = "", line = "", color = ""]) => ({
    width: line === "none" || !visible(color) ? 0 : Number.parseFloat(width) || 0,
    color,
  }));
  const [top, right, bottom, left] = sides;
  if (!top || !right || !bottom || !left) return;
  const even = sides.every(({ width, color }) => width === top.width && color === top.color);
  if (even && top.width > 0) {
    context.strokeStyle = top.color;
    context.lineWidth = top.width;
    shape(top.width / 2);
    context.stroke();
  } else if (!even) {
    const edge = (color: string, x: number, y: number, width: number, height: number) => {
      context.fillStyle = color;
      context.fillRect(x, y, width, height);
    };
    edge(top.color, box.left, box.top, box.width, top.width);
    edge(bottom.color, box.left, box.bottom - bottom.width, box.width, bottom.width);
    edge(left.color, box.left, box.top, left.width, box.height);
    edge(right.color, box.right - right.width, box.top, right.width, box.height);
  }
  for (const ring of ringsOf(style.boxShadow)) {
    context.strokeStyle = ring.color;
    context.lineWidth = ring.width;
    shape(ring.inside ? ring.width / 2 : -ring.width / 2);
    context.stroke();
  }
}

/** Selections and ablations are outlined by shadows without an offset or a blur. */
export function ringsOf(shadow: string): { color: string; width: number; inside: boolean }[] {
  const pattern = /(rgba?\([^)]*\)|color\([^)]*\)|#\w+) 0px 0px 0px ([\d.]+)px( inset)?/g;
  return [...shadow.matchAll(pattern)].map(([, color = "", width = "0", inside]) => ({
    color,
    width: Number(width),
    inside: inside !== undefined,
  }));
}

/** Colour bars are gradients from left to right. */
function gradientOf(
  context: CanvasRenderingContext2D,
  box: DOMRect,
  image: string,
): CanvasGradient | null {
  if (!image.startsWith("linear-gradient(to right")) return null;
  const colors = image.match(/rgba?\([^)]*\)/g);
  if (!colors || colors.length < 2) return null;
  const gradient = context.createLinearGradient(box.left, 0, box.right, 0);
  colors.forEach((color, index) => {
    gradient.addColorStop(index / (colors.length - 1), color);
  });
  return gradient;
}

function visible(color: string): boolean {
  return color !== "" && color !== "transparent" && !/^rgba\(.*, 0\)$/.test(color);
}

function paintText(context: CanvasRenderingContext2D, node: Text, style: CSSStyleDeclaration) {
  const keeps = style.whiteSpace.startsWith("pre");
  const raw = node.data;
  if (!keeps && raw.trim() === "") return;
  const range = node.ownerDocument.createRange();
  range.selectNodeContents(node);
  const lines = range.getClientRects();
  const [first] = lines;
  if (!first) return;
  if (lines.length === 1) {
    const text = keeps ? raw : raw.replace(/\s+/g, " ").trimStart();
    write(context, text, first.left, first, style);
    return;
  }
  // A text that wraps is written line by line, by where each of its letters stands.
  let line = "";
  let place: DOMRect | null = null;
  for (let at = 0; at < raw.length; at++) {
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    const letter = range.getBoundingClientRect();
    if (letter.width === 0) continue;
    if (place && Math.abs(letter.top - place.top) > letter.height / 2) {
      write(context, line, place.left, place, style);
      line = "";
      place = null;
    }
    place ??= letter;
    line += raw[at];
  }
  if (place) write(context, line, place.left, place, style);
}

function write(
  context: CanvasRenderingContext2D,
  text: string,
  left: number,
  box: DOMRect,
  style: CSSStyleDeclaration,
): void {
  context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = context.measureText("x");
  context.fillText(text, left, box.top + (box.height - up - down) / 2 + up);
}

const INHERITED = [
  ...["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin"],
  ...["font", "color", "opacity", "text-anchor"],
];

/** Drawings must be loaded as images first; their style sheet is written into their elements. */
async function readDrawings(root: HTMLElement): Promise<Map<Element, HTMLImageElement>> {
  const images = new Map<Element, HTMLImageElement>();
  for (const drawing of root.querySelectorAll("svg")) {
    const copy = drawing.cloneNode(true);
    if (!(copy instanceof SVGElement)) continue;
    const from = [drawing, ...drawing.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll<SVGElement>("*")].forEach((element, index) => {
      const source = from[index];
      if (!source) return;
      const style = getComputedStyle(source);
      for (const name of INHERITED) element.style.setProperty(name, style.getPropertyValue(name));
    });
    const { width, height } = drawing.getBoundingClientRect();
    copy.setAttribute("width", String(width));
    copy.setAttribute("height", String(height));
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const image = new Image();
    image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
    // A page that forbids such images gets its picture without the drawing.
    const loaded = await image.decode().then(
      () => true,
      () => false,
    );
    if (loaded) images.set(drawing, image);
  }
  return images;
}
