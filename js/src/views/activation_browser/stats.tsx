import type { JSX } from "preact";
import type { Dataset } from "../../core/state/dataset";
import type { Slice } from "../../generated/activation_browser";
import { digits } from "./list";

const COLUMNS: readonly [Slice["numbers"], string][] = [
  ["mean", "mean"],
  ["std", "std"],
  ["min", "min"],
  ["max", "max"],
  ["norm", "L2 norm"],
  ["zeros", "zero"],
  ["n_nan", "NaN"],
  ["n_inf", "inf"],
];

/** What is in the whole activation of the prompt: one line, or three when something was changed. */
export function Stats(props: { plane: Dataset<Slice>; changed: boolean }): JSX.Element {
  const { plane, changed } = props;
  const runs = plane.texts("run");
  const lines = changed
    ? ["baseline", "current", "difference"]
    : [plane.attrs.show === "baseline" ? "baseline" : "current"];
  const masked = (plane.numbers("n_masked")[runs.indexOf("current")] ?? 0) > 0;
  const columns = masked ? [...COLUMNS, ["n_masked", "masked"] as const] : COLUMNS;
  return (
    <div class="lw-act-stats" title="of the whole activation of this prompt, padding left out">
      <table aria-label="statistics">
        <thead>
          <tr>
            <th scope="col">
              {plane.whole("n")[runs.indexOf("current")]?.toLocaleString("en")} numbers
            </th>
            {columns.map(([key, title]) => (
              <th key={key} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map((which) => (
            <tr key={which} data-which={which}>
              <th scope="row">{which}</th>
              {columns.map(([key]) => {
                const found = plane.whole(key)[runs.indexOf(which)] ?? Number.NaN;
                const value = Number.isNaN(found) ? null : found;
                return (
                  <td
                    key={key}
                    class="lw-num"
                    data-column={key}
                    data-value={value === null ? "" : String(value)}
                  >
                    {key === "zeros" && value !== null
                      ? `${digits(100 * value, 3)} %`
                      : digits(value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
