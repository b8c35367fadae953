import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Ramp } from "../../core/draw/canvas";
import { signed } from "../../core/draw/format";
import { flush } from "../../core/state/flush";
import type { TokenInfo } from "../../generated/protocol";

/** The prompt with each token in the colour of its number. One token takes part in the tab order. */
export function ColouredText(props: {
  tokens: readonly TokenInfo[];
  values: Float32Array;
  ramp: Ramp;
  locked: number | null;
  onHover: (pos: number | null) => void;
  onLock: (pos: number | null) => void;
}): JSX.Element {
  const { tokens, values, ramp, locked, onHover, onLock } = props;
  const strip = useRef<HTMLDivElement>(null);
  const entry = useRef(0);
  const inTabOrder = Math.min(locked ?? entry.current, tokens.length - 1);
  const posOf = (target: EventTarget | null): number | null => {
    const chip = target instanceof Element ? target.closest("[data-pos]") : null;
    return chip ? Number(chip.getAttribute("data-pos")) : null;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const pos = posOf(event.target);
    if (event.key === "Escape" && locked !== null) onLock(null);
    else if (pos !== null && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      const to = Math.max(
        0,
        Math.min(tokens.length - 1, pos + (event.key === "ArrowRight" ? 1 : -1)),
      );
      entry.current = to;
      if (locked === pos) onLock(to);
      const chip = strip.current?.children.item(to);
      if (chip instanceof HTMLElement) chip.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      ref={strip}
      class="lw-neuron-text"
      role="listbox"
      aria-label="tokens coloured by activation"
      aria-orientation="horizontal"
      tabIndex={-1}
      onKeyDown={onKeyDown}
      onPointerOver={(event) => onHover(posOf(event.target))}
      onPointerLeave={() => onHover(null)}
      onFocusIn={(event) => onHover(posOf(event.target))}
      onFocusOut={() => onHover(null)}
      onClick={(event) => {
        const pos = posOf(event.target);
        if (pos === null) return;
        entry.current = pos;
        flush(() => onLock(locked === pos ? null : pos));
      }}
    >
      {tokens.map((token, pos) => {
        const value = values[pos] ?? Number.NaN;
        const share = value / (ramp.hi || 1);
        return (
          <button
            // A position is its own identity: the same token may come many times.
            key={pos}
            type="button"
            class="lw-neuron-token lw-mono"
            role="option"
            aria-selected={pos === locked}
            aria-label={`${pos} ${token.text}, activation ${signed(value, 3)}`}
            data-pos={pos}
            data-token-id={token.id}
            data-value={Number.isNaN(value) ? "" : String(value)}
            tabIndex={pos === inTabOrder ? 0 : -1}
            style={{ background: ramp.scale.css(share), color: ramp.scale.ink(share) }}
          >
            {token.text}
          </button>
        );
      })}
    </div>
  );
}
