import type { JSX } from "preact";
import type { ActivationResult, ActivationStats, Options } from "../../generated/protocol";
import { digits } from "./list";

const COLUMNS: readonly [keyof ActivationStats, string][] = [
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
export function Stats(props: { result: ActivationResult; changed: boolean }): JSX.Element {
  const { result, changed } = props;
  const lines: readonly Options["show"][] = changed
    ? ["baseline", "current", "difference"]
    : [result.which === "baseline" ? "baseline" : "current"];
  const masked = result.current.n_masked > 0;
  const columns = masked ? [...COLUMNS, ["n_masked", "masked"] as const] : COLUMNS;
  return (
    <div class="lw-act-stats" title="of the whole activation of this prompt, padding left out">
      <table aria-label="statistics">
        <thead>
          <tr>
            <th scope="col">{result.current.n.toLocaleString("en")} numbers</th>
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
                const value = result[which][key];
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
