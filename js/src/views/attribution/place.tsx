import type { JSX } from "preact";
import { quote } from "../../core/draw/format";
import { OptionChoice } from "../../core/parts/options";
import { TokenStrip } from "../../core/parts/tokens/tokens";
import type { ViewHandle } from "../../core/state/handle";
import { usePromptTokens } from "../../core/state/tokens";
import { OPTIONS } from "../../generated/attribution";

const READ_AT = [
  { value: "metric", label: "at the answer", title: "read the logits where the metric does" },
  { value: "selected", label: "at a token", title: "read the logits at the picked token" },
] as const;

/** The position the logits are read at; null for where the metric reads. */
export function useReadPos(view: ViewHandle): number | null {
  const { session } = view;
  const selected = session.option(OPTIONS.read_at).value === "selected";
  return selected ? session.selection.value.query_pos : null;
}

export function ReadAt({ view }: { view: ViewHandle }): JSX.Element {
  const option = view.session.option(OPTIONS.read_at);
  return <OptionChoice label="read at" of={option} choices={READ_AT} />;
}

/** The prompt's tokens, to pick the one at which the logits are read. */
export function TokenPicker({ view, prompt }: { view: ViewHandle; prompt: number }): JSX.Element {
  const { session } = view;
  const tokens = usePromptTokens(view, prompt)?.list ?? [];
  const picked = session.selection.value.query_pos;
  return (
    <div class="lw-attr-picker">
      <span class="lw-muted">
        {picked === null
          ? "pick the token to read at; until then as the metric"
          : `read at ${quote(tokens[picked]?.text ?? "")}, position ${picked}`}
      </span>
      <TokenStrip
        label="position to read at"
        tokens={tokens}
        picked={picked}
        onPick={(pos) => session.select({ query_pos: pos })}
      />
    </div>
  );
}
