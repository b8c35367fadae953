import type { JSX } from "preact";
import { fixed, signed } from "../../core/draw/format";
import { Button, Switch } from "../../core/parts/ui";
import { isPending } from "../../core/state/interventions";
import type { EffectsResult, InterventionInfo } from "../../generated/protocol";
import { interventionText } from "./format";

/** What is switched off or changed now, with what each intervention is worth on its own. */
export function ActiveList(props: {
  interventions: readonly InterventionInfo[];
  effects: EffectsResult | null;
  metric: string;
  onEnable: (item: InterventionInfo, enabled: boolean) => void;
  onRemove: (item: InterventionInfo) => void;
}): JSX.Element {
  const { interventions, effects, metric, onEnable, onRemove } = props;
  const worths = new Map(effects?.worths.map(({ key, worth }) => [key, worth]));
  if (interventions.length === 0) {
    return (
      <p class="lw-abl-empty">
        Nothing is switched off. Click a cell here, or a switch in the table, to ablate a part:
        every number is computed again and shown beside its baseline. The list then says what each
        ablation is worth, and keeps those that are turned off.
      </p>
    );
  }
  return (
    <ul class="lw-abl-list" aria-label="active interventions">
      {interventions.map((item) => {
        const worth = worths.get(item.key) ?? null;
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
              data-column="worth"
              data-value={item.enabled && worth !== null ? String(worth) : ""}
              title={`${metric} with everything active, minus the same without this: ${fixed(worth, 4)}`}
            >
              {!item.enabled ? "off" : worths.has(item.key) ? signed(worth) : "…"}
            </span>
            <Button
              label={`remove ${item.label}`}
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
