import type { ComponentChildren, JSX } from "preact";
import { fixed, percent } from "../../core/draw/format";
import { CopyButton } from "../../core/parts/copy_button";
import type { MatrixInfo } from "../../generated/protocol";

const COUNT = new Intl.NumberFormat("en");
const COLUMNS = ["matrix", "shape", "layers", "parameters", "MB", "read it"];

/** Every parameter with its shape, its layers and its share of the model. */
export function MatrixTable(props: {
  rows: readonly MatrixInfo[];
  total: number;
  megabytes: number;
  within: { readonly current: HTMLElement | null };
}): JSX.Element {
  const { rows, total, megabytes, within } = props;
  const most = Math.max(1, ...rows.map(({ count }) => count));
  return (
    <div class="lw-card-scroll">
      <div class="lw-card-table" role="table" aria-label="parameters by matrix">
        <div class="lw-card-row" role="row" tabIndex={-1}>
          {COLUMNS.map((name) => (
            <span key={name} role="columnheader" tabIndex={-1} class="lw-muted">
              {name}
            </span>
          ))}
        </div>
        {rows.map((row) => (
          <div
            key={`${row.name} ${row.layers}`}
            class="lw-card-row"
            role="row"
            tabIndex={-1}
            data-component={row.name}
            data-group={row.group}
          >
            <span role="rowheader" tabIndex={-1} class="lw-mono">
              {row.name}
              {row.shared.length > 0 && <span class="lw-muted"> = {row.shared.join(" = ")}</span>}
            </span>
            <span role="cell" class="lw-num" data-column="shape" data-value={row.shape.join(" x ")}>
              {row.shape.map((length) => COUNT.format(length)).join(" × ")}
              {row.axes.length > 0 && (
                <span class="lw-card-note lw-muted"> {row.axes.join(" × ")}</span>
              )}
            </span>
            <span role="cell" class="lw-num lw-muted">
              {row.layers.replace("-", "–")}
            </span>
            <Count count={row.count} share={row.count / most} title={percent(row.count / total)} />
            <Megabytes value={row.megabytes} />
            <span role="cell" title={row.code}>
              <CopyButton
                label="copy"
                called={`copy the code for ${row.name}`}
                within={within}
                text={() => Promise.resolve(row.code)}
              />
            </span>
          </div>
        ))}
        <div class="lw-card-row lw-card-total" role="row" tabIndex={-1} data-component="total">
          <span role="rowheader" tabIndex={-1}>
            total
          </span>
          <Empty />
          <Empty />
          <Count count={total} />
          <Megabytes value={megabytes} />
          <Empty />
        </div>
      </div>
    </div>
  );
}

function Count(props: { count: number; share?: number; title?: string }): JSX.Element {
  const { count, share, title } = props;
  return (
    <Figure column="parameters" value={count} title={title && `${title} of all`}>
      {share !== undefined && <span class="lw-card-bar" style={{ width: `${100 * share}%` }} />}
      <span>{COUNT.format(count)}</span>
    </Figure>
  );
}

function Megabytes({ value }: { value: number }): JSX.Element {
  return (
    <Figure column="mb" value={value}>
      {fixed(value, value < 10 ? 3 : 1)}
    </Figure>
  );
}

function Figure(props: {
  column: string;
  value: number;
  title?: string | undefined;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <span
      role="cell"
      class="lw-num lw-card-number"
      data-column={props.column}
      data-value={String(props.value)}
      title={props.title}
    >
      {props.children}
    </span>
  );
}

function Empty(): JSX.Element {
  return <span role="cell" />;
}
