import type { JSX } from "preact";
import type { ViewSession } from "../state/session";
import { Button } from "./ui";

/** "‹ prompt 1 of 8 ›", over the shared selection; nothing when there is one prompt. */
export function PromptPager(props: { session: ViewSession; count: number }): JSX.Element | null {
  const { session, count } = props;
  const { prompt } = session.selection.value;
  if (count <= 1) return null;
  // Positions belong to a prompt: the next one may not have them.
  const show = (to: number) => session.select({ prompt: to, query_pos: null, key_pos: null });
  return (
    <span class="lw-pager lw-num">
      <Button label="previous prompt" disabled={prompt <= 0} onClick={() => show(prompt - 1)}>
        ‹
      </Button>
      prompt {prompt + 1} of {count}
      <Button label="next prompt" disabled={prompt >= count - 1} onClick={() => show(prompt + 1)}>
        ›
      </Button>
    </span>
  );
}
