import { printRatio } from "../draw/canvas";
import { flush } from "../state/flush";
import { paintElement } from "./paint";

const PIXELS = 2;
const KEEP_MS = 60_000;

/** Hands the browser a file to save. */
export function saveFile(content: BlobPart, type: string, name: string, doc: Document): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = doc.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
}

/** The view as a PNG at two pixels for one of CSS; null when the browser gives none. */
export async function pictureOf(root: HTMLElement): Promise<Blob | null> {
  const style = getComputedStyle(root);
  const ground = style.getPropertyValue("--lw-surface").trim() || "#ffffff";
  flush(() => {
    printRatio.value = PIXELS;
  });
  try {
    const canvas = await paintElement(root, ground, PIXELS);
    if (!canvas) return null;
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  } finally {
    flush(() => {
      printRatio.value = 0;
    });
  }
}
