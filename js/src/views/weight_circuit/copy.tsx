import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { percent } from "../../core/draw/format";
import { Button } from "../../core/parts/ui";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/weight_circuit";
import type { CircuitArgs } from "./entries";

/** How many tokens a circuit leads back to themselves; counted when asked, with the header's stop. */
export function CopyAccuracy(props: { handle: ViewHandle; circuit: CircuitArgs }): JSX.Element {
  const { handle, circuit } = props;
  const key = JSON.stringify(circuit);
  const [asked, setAsked] = useState("");
  const wanted = asked === key;
  const loaded = useAnswer(handle, ask.copy, wanted ? circuit : null, { on: "prompts" });
  const result = JSON.stringify(loaded.args) === key ? loaded.data?.attrs : null;
  const rate = (count: number) => (result && result.done > 0 ? count / result.done : null);
  return (
    <p class="lw-said lw-num lw-circuit-copy" aria-live="polite">
      {!wanted && <Button label="count copied tokens" onClick={() => setAsked(key)} />}
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
