import type { JSX, TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button } from "../../core/parts/ui";
import type { ErrorInfo } from "../../generated/messages";
import type { editPrompt, Tokens } from "../../generated/session";

export type EditedPrompt = NonNullable<(typeof editPrompt)["args"]>;

/** What the editor sends; unchanged fields go along, so that the kernel sees the whole prompt. */
export function editArgs(
  from: Tokens["attrs"],
  fields: { text: string; correct: string; wrong: string; corrupted: string },
): EditedPrompt {
  const { text, correct, wrong, corrupted } = fields;
  const hasCorrupted = from.corrupted !== null;
  return { prompt: from.prompt, text, correct, wrong, corrupted: hasCorrupted ? corrupted : null };
}

/** Edits one prompt and its answers. Stays open, with its text, until the kernel has taken it. */
export function PromptEditor(props: {
  from: Tokens["attrs"];
  error: ErrorInfo | null;
  running: boolean;
  onRun: (args: EditedPrompt) => void;
  onClose: () => void;
}): JSX.Element {
  const { from, error, running, onRun, onClose } = props;
  const [text, setText] = useState(from.text);
  const [correct, setCorrect] = useState(from.correct);
  const [wrong, setWrong] = useState(from.wrong);
  const [corrupted, setCorrupted] = useState(from.corrupted ?? "");
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => area.current?.focus({ preventScroll: true }), []);

  const run = () => {
    if (!running) onRun(editArgs(from, { text, correct, wrong, corrupted }));
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    // The host's shortcuts and the view's single-letter keys must not see what is typed here.
    event.stopPropagation();
    const inLine = event.target instanceof HTMLInputElement;
    if (event.key === "Escape") {
      event.preventDefault();
      onClose();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey || inLine)) {
      event.preventDefault();
      run();
    }
  };
  return (
    <div class="lw-token-editor" role="group" aria-label="prompt editor" onKeyDown={onKeyDown}>
      <label>
        prompt
        <textarea
          ref={area}
          aria-label="prompt"
          rows={Math.min(8, 1 + Math.ceil(text.length / 90))}
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="lw-token-fields">
        <Field label="correct answer" value={correct} onInput={setCorrect} />
        <Field label="wrong answer" value={wrong} onInput={setWrong} />
        {from.corrupted !== null && (
          <Field label="corrupted prompt" value={corrupted} onInput={setCorrupted} wide />
        )}
      </div>
      {error && (
        <div class="lw-token-error" role="alert" data-error-type={error.type}>
          <b>{error.message}</b>
          {error.hint && <span class="lw-muted">{error.hint}</span>}
        </div>
      )}
      <div class="lw-token-editor-foot">
        <Button label="run" primary disabled={running} onClick={run}>
          {running ? "running" : "run"}
        </Button>
        <Button label="cancel" onClick={onClose} />
        <span class="lw-muted">
          Ctrl+Enter runs, Escape cancels. An answer is one token; most start with a space.
        </span>
      </div>
    </div>
  );
}

function Field(props: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  wide?: boolean;
}): JSX.Element {
  const { label, value, onInput, wide } = props;
  return (
    <label data-wide={wide === true}>
      {label}
      <input
        type="text"
        aria-label={label}
        autocomplete="off"
        spellcheck={false}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}
