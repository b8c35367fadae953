import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { fixed, signed } from "../../core/draw/format";
import { Button, Switch } from "../../core/parts/ui";
import type { Dataset } from "../../core/state/dataset";
import { isPending } from "../../core/state/interventions";
import type { InterventionEffects } from "../../generated/ablation";
import type { InterventionInfo } from "../../generated/messages";
import { interventionText } from "./format";

/** What is switched off or changed now, with the effect of each intervention by itself. */
export function ActiveList(props: {
  interventions: readonly InterventionInfo[];
  /** Null before the first answer. */
  effects: Dataset<InterventionEffects> | null;
  onEnable: (item: InterventionInfo, enabled: boolean) => void;
  onRemove: (item: InterventionInfo) => void;
}): JSX.Element {
  const { interventions, effects, onEnable, onRemove } = props;
  const known = useMemo(() => {
    const values = effects?.numbers("effect") ?? [];
    return new Map(effects?.texts("key").map((key, i) => [key, values[i] ?? Number.NaN]));
  }, [effects]);
  if (interventions.length === 0) {
    return (
      <p class="lw-abl-empty">
        Nothing is switched off. Turn a switch on: every number is computed again, and shown beside
        what it was before.
      </p>
    );
  }
  return (
    <ul class="lw-abl-list" aria-label="interventions">
      {interventions.map((item) => {
        const effect = known.get(item.key);
        const text = interventionText(item.kind, item.detail);
        return (
          <li
            key={item.key}
            class="lw-abl-item"
            data-intervention={item.key}
            data-component={item.component}
            data-enabled={item.enabled}
          >
            <Switch
              label={`enable ${item.label}`}
              checked={item.enabled}
              disabled={isPending(item)}
              onToggle={(enabled) => onEnable(item, enabled)}
            />
            <span class="lw-mono" title={item.label}>
              {item.label}
            </span>
            <span class="lw-muted" title={text}>
              {text}
            </span>
            <span
              class="lw-num"
              data-column="effect"
              data-value={item.enabled && effect !== undefined ? String(effect) : ""}
              title={`${effects?.attrs.definition ?? ""} ${fixed(effect, 4)}`}
            >
              {!item.enabled ? "off" : effect === undefined ? "…" : signed(effect)}
            </span>
            <Button
              label={`remove ${item.label}`}
              asks
              disabled={isPending(item)}
              onClick={() => onRemove(item)}
            >
              ✕
            </Button>
          </li>
        );
      })}
    </ul>
  );
}
