import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { datasetCsv } from "../../core/export/csv";
import type { PanelProps } from "../../core/parts/mount";
import { Segmented } from "../../core/parts/ui";
import { useView, ViewFrame } from "../../core/parts/view";
import { useAnswer } from "../../core/state/resource";
import * as ask from "../../generated/model_card";
import { type Fact, readFacts, readFindings, readMatrices } from "./read";
import { MatrixTable } from "./table";

type Order = "model" | "size";
const ORDERS = [
  { value: "model", label: "in order", title: "as the model uses them" },
  { value: "size", label: "largest first" },
] as const;
const GROUPS = ["shape", "design", "weights", "tokenizer"];

/** What the model is, and what was found by trying it. */
export function ModelCardPanel({ session, rpc, compact }: PanelProps): JSX.Element {
  const handle = useView("model_card", { session, rpc });
  const [order, setOrder] = useState<Order>("model");
  const { data } = useAnswer(handle, ask.card, {});
  const card = useMemo(
    () =>
      data && {
        facts: readFacts(data),
        findings: readFindings(data),
        matrices: readMatrices(data),
        ...data.attrs,
      },
    [data],
  );
  const body = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => {
    const each = card?.matrices ?? [];
    return order === "size" ? [...each].sort((a, b) => b.count - a.count) : each;
  }, [card, order]);
  return (
    <ViewFrame
      handle={handle}
      title="Model card"
      compact={compact}
      pager={false}
      metric={false}
      takeaway={{ csv: () => data && datasetCsv(data) }}
      reserve={(w) => (w > 760 ? 1000 : 1200)}
    >
      {card && (
        <div ref={body}>
          <div class="lw-card-facts">
            {GROUPS.map((group) => (
              <Facts
                key={group}
                group={group}
                facts={card.facts.filter((fact) => fact.group === group)}
              />
            ))}
          </div>
          <section class="lw-card-found">
            <h3 class="lw-card-title">found by trying it</h3>
            <ul>
              {card.findings.map(({ works, text, how }) => (
                <li key={text} data-works={String(works)}>
                  <span class="lw-card-mark" role="img" aria-label={works ? "works" : "does not"}>
                    {works ? "✓" : "✗"}
                  </span>
                  <span>
                    {text}
                    <span class="lw-card-note lw-muted"> {how}</span>
                  </span>
                </li>
              ))}
            </ul>
          </section>
          <div class="lw-card-order">
            <h3 class="lw-card-title">parameters by matrix, over all layers</h3>
            <Segmented label="order" options={ORDERS} value={order} onChange={setOrder} />
          </div>
          <MatrixTable
            rows={rows}
            total={card.total}
            megabytes={card.total_megabytes}
            within={body}
          />
        </div>
      )}
    </ViewFrame>
  );
}

function Facts(props: { group: string; facts: readonly Fact[] }): JSX.Element {
  return (
    <section>
      <h3 class="lw-card-title">{props.group}</h3>
      <dl>
        {props.facts.map(({ name, value, note }) => (
          <div key={name} data-fact={name}>
            <dt class="lw-muted">{name}</dt>
            <dd class="lw-num" data-value={value}>
              {value}
              {note && <span class="lw-card-note lw-muted"> {note}</span>}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
