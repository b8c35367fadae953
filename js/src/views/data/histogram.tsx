import type { JSX, TargetedKeyboardEvent } from "preact";
import { useMemo, useState } from "preact/hooks";
import { brief, fixed, signed } from "../../core/draw/format";
import { useTheme } from "../../core/draw/theme";
import { lineColor } from "../../core/parts/chart/lines";
import type { Dataset } from "../../core/state/dataset";
import { flush } from "../../core/state/flush";
import type { Bars } from "../../generated/data";
import {
  type Bar,
  barText,
  type Histogram as Counted,
  type Group,
  histogramOf,
  shareOf,
  ticksOf,
  whole,
} from "./bars";

const percent = (share: number) => `${100 * share}%`;

/** All records by their value, in bars that can be chosen, with each group's mean below them. */
export function Histogram(props: {
  data: Dataset<Bars>;
  stale: boolean;
  /** The bars that the table is of; null: all. */
  range: { low: number; high: number } | null;
  /** The groups that the table is of; none: all. */
  chosen: readonly string[];
  onRange: (range: { low: number; high: number } | null) => void;
  onGroups: (groups: string[]) => void;
}): JSX.Element {
  const { data, stale, range, chosen, onRange, onGroups } = props;
  const counted = useMemo(() => histogramOf(data), [data]);
  const { bars, groups } = counted;
  const { mode } = useTheme();
  const colors = groups.map(({ color }) =>
    color === null ? "var(--lw-muted)" : lineColor(color, mode),
  );
  const [hovered, setHovered] = useState<number | null>(null);
  const [cursor, setCursor] = useState(0);
  const isIn = (bar: Bar) => range === null || (bar.low >= range.low && bar.high <= range.high);
  const show = (at: number | null) => flush(() => setHovered(at));
  const bar = hovered === null ? undefined : bars[hovered];
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLUListElement>) => {
    const at = barTo(event.key, cursor, bars.length);
    if (at === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    flush(() => setCursor(at));
    event.currentTarget.querySelectorAll("button")[at]?.focus();
  };
  return (
    <figure class="lw-data-histogram" data-stale={stale}>
      <div class="lw-data-plot">
        <span class="lw-data-most lw-muted lw-num" aria-hidden="true">
          {whole(counted.most)}
        </span>
        <Line at={shareOf(0, counted)} of="zero" />
        <Line at={shareOf(data.attrs.mean_all, counted)} of="mean" />
        <ul
          class="lw-data-bars"
          aria-label="records by value"
          onKeyDown={onKeyDown}
          onPointerLeave={() => show(null)}
        >
          {bars.map((one, at) => {
            const only = range !== null && one.low === range.low && one.high === range.high;
            return (
              <li key={one.low}>
                <button
                  type="button"
                  class="lw-data-bar"
                  aria-label={barText(one, groups)}
                  aria-pressed={only}
                  tabIndex={at === Math.min(cursor, bars.length - 1) ? 0 : -1}
                  data-bin={at}
                  data-value={String(one.total)}
                  data-low={String(one.low)}
                  data-high={String(one.high)}
                  data-in={isIn(one)}
                  onPointerEnter={() => show(at)}
                  onFocus={() => {
                    flush(() => setCursor(at));
                    show(at);
                  }}
                  onBlur={() => show(null)}
                  onClick={() => flush(() => onRange(only ? null : one))}
                >
                  {one.counts.map((count, group) =>
                    count > 0 ? (
                      <span
                        key={groups[group]?.name}
                        class="lw-data-part"
                        style={{
                          height: percent(count / counted.most),
                          background: colors[group] ?? "",
                        }}
                      />
                    ) : null,
                  )}
                </button>
              </li>
            );
          })}
        </ul>
      </div>
      <div class="lw-data-means" aria-hidden="true">
        {groups.length > 1 &&
          groups.map((group, at) =>
            group.color === null ? null : (
              <Spread key={group.name} group={group} color={colors[at] ?? ""} counted={counted} />
            ),
          )}
      </div>
      <div class="lw-data-axis lw-muted lw-num" aria-hidden="true">
        {ticksOf(counted).map(({ value, at }) => (
          <span key={at} style={{ left: percent(at), transform: `translateX(${percent(-at)})` }}>
            {brief(value)}
          </span>
        ))}
      </div>
      <p class="lw-readout lw-num" data-lw-readout="">
        {bar ? `${barText(bar, groups)}` : "hover a bar for its count; click it for its records"}
      </p>
      <ul class="lw-data-groups" aria-label="groups">
        {groups.map((group, at) => (
          <li key={group.name}>
            <GroupButton
              group={group}
              color={colors[at] ?? ""}
              alone={groups.length === 1}
              chosen={chosen.includes(group.name)}
              onClick={() =>
                onGroups(
                  chosen.includes(group.name)
                    ? chosen.filter((name) => name !== group.name)
                    : [...chosen, group.name],
                )
              }
            />
          </li>
        ))}
        {groups.length > 1 && (
          <li class="lw-data-all lw-num">
            <span>all</span>
            <Told n={data.attrs.n_all} mean={data.attrs.mean_all} sem={data.attrs.sem_all} />
          </li>
        )}
      </ul>
      {data.attrs.n_missing > 0 && (
        <p class="lw-muted lw-num">{whole(data.attrs.n_missing)} records have no number.</p>
      )}
    </figure>
  );
}

function Line({ at, of }: { at: number; of: "zero" | "mean" }): JSX.Element | null {
  if (!(at >= 0 && at <= 1)) return null;
  return <span class="lw-data-line" data-of={of} style={{ left: percent(at) }} />;
}

/** A group's mean, one standard error to each side. */
function Spread(props: { group: Group; color: string; counted: Counted }): JSX.Element {
  const { group, color, counted } = props;
  const sem = Number.isNaN(group.sem) ? 0 : group.sem;
  const from = shareOf(group.mean - sem, counted);
  const to = shareOf(group.mean + sem, counted);
  return (
    <span class="lw-data-spread">
      <span style={{ left: percent(from), width: percent(to - from), background: color }} />
    </span>
  );
}

function GroupButton(props: {
  group: Group;
  color: string;
  /** There is nothing to choose among. */
  alone: boolean;
  chosen: boolean;
  onClick: () => void;
}): JSX.Element {
  const { group, color, alone, chosen, onClick } = props;
  const { name, label, n, mean, sem } = group;
  const content = (
    <>
      <span class="lw-data-swatch" style={{ background: color }} />
      <span class="lw-data-name">{label}</span>
      <Told n={n} mean={mean} sem={sem} />
    </>
  );
  const data = { "data-group": name, "data-value": String(mean), "data-error": String(sem) };
  if (alone) {
    return (
      <span class="lw-data-group lw-num" {...data} data-n={n}>
        {content}
      </span>
    );
  }
  return (
    <button
      type="button"
      class="lw-data-group lw-num"
      aria-pressed={chosen}
      title={chosen ? "take this group's filter away" : "only records of this group"}
      {...data}
      data-n={n}
      onClick={() => flush(onClick)}
    >
      {content}
    </button>
  );
}

function Told(props: { n: number; mean: number; sem: number | null }): JSX.Element {
  const { n, mean, sem } = props;
  const known = sem !== null && !Number.isNaN(sem);
  return (
    <span class="lw-data-told">
      mean {signed(mean, 3)}
      {known && ` ± ${fixed(sem, 3)}`} <span class="lw-muted">n = {whole(n)}</span>
    </span>
  );
}

function barTo(key: string, at: number, count: number): number | null {
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 }[key];
  return to === undefined ? null : Math.max(0, Math.min(count - 1, to));
}
