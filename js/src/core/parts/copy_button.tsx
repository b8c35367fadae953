import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { copyText } from "../export/clipboard";
import { Button } from "./ui";

const SHOWN_MS = 1500;

/** Copies a text and says for a moment whether that worked, without changing its width. */
export function CopyButton(props: {
  label: string;
  /** What it is called aloud, where that is more than its label. */
  called?: string;
  /** Where a text area may be put for a moment, when there is no clipboard to write to. */
  within: { readonly current: HTMLElement | null };
  text: () => Promise<string>;
  disabled?: boolean;
}): JSX.Element {
  const { label, called = label, within, text, disabled } = props;
  const [outcome, setOutcome] = useState<"" | "copied" | "failed">("");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useLayoutEffect(() => () => clearTimeout(timer.current), []);

  const copy = async () => {
    const element = within.current;
    if (!element) return;
    const copied = await text().then(
      (content) => copyText(content, element),
      () => false,
    );
    setOutcome(copied ? "copied" : "failed");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setOutcome(""), SHOWN_MS);
  };
  return (
    <Button label={called} disabled={disabled === true} asks onClick={() => void copy()}>
      <span class="lw-copy" data-outcome={outcome}>
        <span class="lw-copy-label">{label}</span>
        <span class="lw-copy-outcome" role="status">
          {outcome === "failed" ? "not copied" : outcome}
        </span>
      </span>
    </Button>
  );
}
