import type { JSX } from "preact";
import { useCallback } from "preact/hooks";
import type { Ramp } from "../../core/draw/canvas";
import { signed } from "../../core/draw/format";
import { TokenStrip } from "../../core/parts/tokens/tokens";
import type { TokenInfo } from "../../generated/session";

/** The prompt with each token in the colour of its number. */
export function ColouredText(props: {
  tokens: readonly TokenInfo[];
  values: Float32Array;
  ramp: Ramp;
  locked: number | null;
  onHover: (pos: number | null) => void;
  onLock: (pos: number | null) => void;
}): JSX.Element {
  const { tokens, values, locked, onHover, onLock } = props;
  const { scale, hi } = props.ramp;
  const look = useCallback(
    (pos: number) => {
      const value = values[pos] ?? Number.NaN;
      const share = value / (hi || 1);
      return {
        words: `activation ${signed(value, 3)}`,
        value,
        style: { background: scale.css(share), color: scale.ink(share) },
      };
    },
    [values, scale, hi],
  );
  return (
    <TokenStrip
      label="tokens coloured by activation"
      tokens={tokens}
      picked={locked}
      look={look}
      onHover={onHover}
      onPick={onLock}
    />
  );
}
