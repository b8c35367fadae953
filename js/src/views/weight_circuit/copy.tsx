import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { percent } from "../../core/draw/format";
import { Button } from "../../core/parts/ui";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/weight_circuit";

/** How many tokens a circuit leads back to themselves; counted when asked, with the header's stop. */
export function CopyAccuracy(props: {
  handle: ViewHandle;
  choice: ask.CircuitChoice;
}): JSX.Element {
  const { handle, choice } = props;
  const key = JSON.stringify(choice);
  const [asked, setAsked] = useState("");
  const wanted = asked === key;
  const loaded = useAnswer(handle, ask.copy, wanted ? { choice } : null, { on: "prompts" });
  const result = JSON.stringify(loaded.args?.choice) === key ? loaded.data?.attrs : null;
  const rate = (count: number) => (result && result.done > 0 ? count / result.done : null);
  return (
    <p class="lw-said lw-num lw-circuit-copy" aria-live="polite">
      {!wanted && <Button label="count copied tokens" asks onClick={() => setAsked(key)} />}
      {result && (
        <span
          data-done={result.done}
          data-total={result.total}
          data-top1={result.top1}
          data-top5={result.top5}
        >
          own token first in its row: <b>{percent(rate(result.top1))}</b>, among the first five:{" "}
          <b>{percent(rate(result.top5))}</b> of {result.done}
          {result.done < result.total ? ` (of ${result.total})` : " tokens"}
        </span>
      )}
    </p>
  );
}
