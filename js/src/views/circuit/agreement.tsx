import type { JSX } from "preact";
import { fixed } from "../../core/draw/format";
import { Button } from "../../core/parts/ui";
import type { Dataset } from "../../core/state/dataset";
import type * as ask from "../../generated/circuit";

export const METHODS = [
  { value: "best", label: "best", title: "what agrees best with some exact edges" },
  { value: "eap", label: "gradient", title: "edge attribution patching: the slope at one point" },
  { value: "eap-ig", label: "integrated", title: "integrated gradients: the mean of five slopes" },
  { value: "relp", label: "relp", title: "relevance: norms and activations count as scales" },
] as const;

export type Wanted = (typeof METHODS)[number]["value"];
export type Method = Exclude<Wanted, "best">;

export function labelOf(method: string): string {
  return METHODS.find(({ value }) => value === method)?.label ?? method;
}

/** How far the estimate can be trusted, and the way to a better one. Its line is always there. */
export function Agreement(props: {
  data: Dataset<ask.Agreements> | null;
  /** What is asked for, and what is shown. */
  wanted: Wanted;
  method: Method;
  onBest: () => void;
}): JSX.Element {
  const { data, wanted, method, onBest } = props;
  const name = labelOf(method);
  if (!data) {
    const coming = wanted === "best" ? "being" : "not yet";
    return (
      <p class="lw-circuit-trust lw-muted lw-num" data-method={method}>
        {name}, {coming} compared with exact edges
      </p>
    );
  }
  const methods = data.texts("method");
  const values = data.numbers("linear");
  const of = (one: string) => values[methods.indexOf(one)] ?? Number.NaN;
  const { best, n_exact, definition } = data.attrs;
  const others = methods.filter((one) => one !== method && !Number.isNaN(of(one)));
  const better = of(best) > of(method);
  return (
    <p
      class="lw-circuit-trust lw-muted lw-num"
      data-method={method}
      data-agreement={of(method)}
      title={`${definition}. ${others.map((one) => `${labelOf(one)} ${fixed(of(one))}`).join(", ")}`}
    >
      <span>
        {wanted === "best" && "chosen: "}
        {name}, r = {fixed(of(method))} with {n_exact} exact edges
      </span>
      {better && (
        <Button
          label={`use ${labelOf(best)}, r = ${fixed(of(best))}`}
          title="what agrees best with the exact edges"
          onClick={onBest}
        />
      )}
    </p>
  );
}
