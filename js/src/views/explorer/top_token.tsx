import type { JSX } from "preact";
import { fixed } from "../../core/draw/format";
import { TokenText } from "../../core/parts/ui";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import { predictions } from "../../generated/ablation";

/** `·Mary 0.84 → ·John 0.47`: the likeliest next token of the selected prompt, before and now. */
export function TopToken({ view }: { view: ViewHandle }): JSX.Element | null {
  const { prompt } = view.session.selection.value;
  const { data } = useAnswer(view, predictions, { prompt }, { quiet: true });
  if (!data) return null;
  const texts = data.texts("token");
  const likeliest = (which: "baseline" | "current") => {
    const values = data.numbers(which);
    const at = values.indexOf(Math.max(...values));
    return { text: texts[at] ?? "", prob: values[at] ?? Number.NaN };
  };
  const before = likeliest("baseline");
  const now = likeliest("current");
  return (
    <span
      class="lw-top-token"
      data-before={before.text}
      data-now={now.text}
      title={`likeliest next token of prompt ${prompt + 1}, before and now`}
    >
      <span class="lw-muted">
        <TokenText text={before.text} /> <span class="lw-num">{fixed(before.prob)}</span>
      </span>
      {" → "}
      <b>
        <TokenText text={now.text} /> <span class="lw-num">{fixed(now.prob)}</span>
      </b>
    </span>
  );
}
