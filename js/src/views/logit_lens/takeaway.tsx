import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { prepare } from "../../core/canvas";
import { cssOf } from "../../core/color";
import type { ViewHandle } from "../../core/handle";
import { CopyButton } from "../../core/takeaway/copy";
import { useTheme } from "../../core/theme";
import { Button } from "../../core/ui";
import type { LensResult } from "../../generated/protocol";
import { toCsv } from "./csv";
import type { LensWindow } from "./data";

/** The shown window as CSV or picture, and the lens as TransformerLens code. */
export function Takeaway(props: {
  handle: ViewHandle;
  within: { readonly current: HTMLElement | null };
  result: LensResult | null;
  window: LensWindow | null;
  inclMid: boolean;
}): JSX.Element {
  const { handle, within, result, window, inclMid } = props;
  const theme = useTheme();
  const [failed, setFailed] = useState(false);
  const known = result !== null && window !== null;
  const code = async () => {
    const args = { incl_mid: inclMid };
    const slot = `${handle.name}/code`;
    const answer = await handle.rpc.request(slot, handle.nextSeq(), "lens_code", args);
    return answer.result.code;
  };
  const savePicture = () => {
    const grid = within.current?.querySelector<HTMLCanvasElement>("canvas.lw-map-canvas");
    setFailed(!grid || !download(grid, cssOf(theme.surface)));
  };
  return (
    <span class="lw-lens-take">
      <CopyButton
        label="copy CSV"
        within={within}
        disabled={!known}
        text={async () => (known ? toCsv(result, window) : "")}
      />
      <Button label="save PNG" disabled={!known} onClick={savePicture} />
      <CopyButton label="copy code" within={within} disabled={!known} text={code} />
      {failed && <span role="status">no picture</span>}
    </span>
  );
}

/** Saves a copy of the canvas on an opaque ground; false when the browser gives none. */
function download(grid: HTMLCanvasElement, ground: string): boolean {
  const copy = document.createElement("canvas");
  const ratio = globalThis.window.devicePixelRatio || 1;
  const [width, height] = [grid.width / ratio, grid.height / ratio];
  const context = prepare(copy, width, height);
  if (!context) return false;
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  context.drawImage(grid, 0, 0, width, height);
  const link = document.createElement("a");
  link.href = copy.toDataURL("image/png");
  link.download = "logit_lens.png";
  link.click();
  return true;
}
