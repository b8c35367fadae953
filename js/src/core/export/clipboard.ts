// Text to the clipboard, also where the host's page has no clipboard permission.

/** Resolves to whether the text was copied. */
export async function copyText(text: string, within: Element): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain http and some notebook iframes have no asynchronous clipboard; the old command works there.
    return copyBySelection(text, within);
  }
}

function copyBySelection(text: string, within: Element): boolean {
  const document = within.ownerDocument;
  const root = within.getRootNode();
  const focused =
    root instanceof ShadowRoot || root instanceof Document ? root.activeElement : null;
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.setAttribute("aria-hidden", "true");
  area.className = "lw-clipboard";
  within.append(area);
  try {
    area.select();
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  }
}
