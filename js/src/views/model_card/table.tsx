import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, percent } from "../../core/draw/format";
import { CopyButton } from "../../core/parts/copy_button";
import { type Cell, type Column, DataTable } from "../../core/parts/table/table";
import type { MatrixRow } from "./read";

const COUNT = new Intl.NumberFormat("en");

/** Every parameter with its shape, its layers and its share of the model. */
export function MatrixTable(props: {
  rows: readonly MatrixRow[];
  total: number;
  megabytes: number;
  within: { readonly current: HTMLElement | null };
}): JSX.Element {
  const { rows, total, megabytes, within } = props;
  const most = Math.max(1, ...rows.map(({ count }) => count));
  const columns = useMemo((): readonly Column<MatrixRow>[] => {
    const size = (value: number): Cell => ({ content: fixed(value, value < 10 ? 3 : 1), value });
    return [
      {
        id: "matrix",
        head: "matrix",
        names: true,
        cell: ({ name, shared }) => ({
          class: "lw-mono",
          content: (
            <>
              {name}
              {shared && <span class="lw-muted"> = {shared.replaceAll(", ", " = ")}</span>}
            </>
          ),
        }),
        total: () => ({ content: "total" }),
      },
      {
        id: "shape",
        head: "shape",
        cell: ({ shape, axes }) => ({
          class: "lw-num",
          value: shape,
          content: (
            <>
              {shape
                .split(" x ")
                .map((length) => COUNT.format(Number(length)))
                .join(" × ")}
              {axes && <span class="lw-card-note lw-muted"> {axes.replaceAll(" x ", " × ")}</span>}
            </>
          ),
        }),
      },
      {
        id: "layers",
        head: "layers",
        cell: ({ layers }) => ({ content: layers.replace("-", "–"), class: "lw-num lw-muted" }),
      },
      {
        id: "parameters",
        head: "parameters",
        numeric: true,
        cell: ({ count }) => ({
          class: "lw-card-number",
          value: count,
          title: `${percent(count / total)} of all`,
          content: (
            <>
              <span
                class="lw-card-bar"
                style={{ "--lw-share": count / most, "--lw-number-ch": COUNT.format(most).length }}
              />
              <span>{COUNT.format(count)}</span>
            </>
          ),
        }),
        total: () => ({ content: COUNT.format(total), value: total }),
      },
      {
        id: "mb",
        head: "MB",
        numeric: true,
        cell: (row) => size(row.megabytes),
        total: () => size(megabytes),
      },
      {
        id: "code",
        head: "read it",
        cell: ({ name, code }) => ({
          title: code,
          content: (
            <CopyButton
              label="copy"
              called={`copy the code for ${name}`}
              within={within}
              text={() => Promise.resolve(code)}
            />
          ),
        }),
      },
    ];
  }, [total, megabytes, most, within]);
  return (
    <div class="lw-card-scroll">
      <DataTable
        label="parameters by matrix"
        class="lw-card-table"
        columns={columns}
        rows={rows}
        keyOf={({ name, layers }) => `${name} ${layers}`}
        attributes={({ name, group }) => ({ "data-component": name, "data-group": group })}
        total={{ title: "of the whole model", "data-component": "total" }}
      />
    </div>
  );
}
