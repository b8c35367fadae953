import type { JSX, TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button } from "../../core/parts/ui";
import type { ViewHandle } from "../../core/state/handle";
import { useAnswer } from "../../core/state/resource";
import type { ErrorInfo } from "../../generated/messages";
import type { editPrompt, Tokens } from "../../generated/session";
import * as ask from "../../generated/token";
import { LineField, TextField } from "./field";
import { probText } from "./format";

export type EditedPrompt = NonNullable<(typeof editPrompt)["args"]>;

export interface Fields {
  text: string;
  correct: string;
  wrong: string;
  corrupted: string;
}

const LABELS: Record<keyof Fields, string> = {
  text: "prompt",
  correct: "correct answer",
  wrong: "wrong answer",
  corrupted: "corrupted prompt",
};

/** What the editor sends; unchanged fields go along, so that the kernel sees the whole prompt. */
export function editArgs(from: Tokens["attrs"], fields: Fields, asWritten = false): EditedPrompt {
  const { text, correct, wrong, corrupted } = fields;
  const hasCorrupted = from.corrupted !== null;
  return {
    prompt: from.prompt,
    text,
    correct,
    wrong,
    corrupted: hasCorrupted ? corrupted : null,
    ...(asWritten ? { as_written: true } : {}),
  };
}

/** The field that an error speaks of: its message begins with the field's name. */
export function fieldOf(error: ErrorInfo | null): keyof Fields | null {
  const message = error?.message.toLowerCase().replace(/^the /, "") ?? "";
  const names: (keyof Fields)[] = ["corrupted", "correct", "wrong", "text"];
  return names.find((name) => message.startsWith(LABELS[name])) ?? null;
}

/** Edits one prompt and its answers. Stays open, with its text, until the kernel has taken it. */
export function PromptEditor(props: {
  view: ViewHandle;
  from: Tokens["attrs"];
  error: ErrorInfo | null;
  running: boolean;
  onRun: (args: EditedPrompt) => void;
  onClose: () => void;
}): JSX.Element {
  const { view, from, error, running, onRun, onClose } = props;
  const [fields, setFields] = useState<Fields>({
    text: from.text,
    correct: from.correct,
    wrong: from.wrong,
    corrupted: from.corrupted ?? "",
  });
  const [answer, setAnswer] = useState<"correct" | "wrong">("correct");
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => area.current?.focus({ preventScroll: true }), []);

  const wrongField = fieldOf(error);
  const run = (changed: Fields = fields, asWritten = false) => {
    if (!running) onRun(editArgs(from, changed, asWritten));
  };
  const set = (name: keyof Fields, value: string): Fields => {
    const changed = { ...fields, [name]: value };
    setFields(changed);
    return changed;
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
  const field = (name: keyof Fields) => ({
    label: LABELS[name],
    value: fields[name],
    invalid: wrongField === name,
    onInput: (value: string) => void set(name, value),
  });
  return (
    <div class="lw-token-editor" role="group" aria-label="prompt editor" onKeyDown={onKeyDown}>
      <TextField {...field("text")} area={area} />
      <div class="lw-token-fields">
        <LineField {...field("correct")} onFocus={() => setAnswer("correct")} />
        <LineField {...field("wrong")} onFocus={() => setAnswer("wrong")} />
        <Suggestions
          view={view}
          prompt={from.prompt}
          into={LABELS[answer]}
          onTake={(text) => void set(answer, text)}
        />
        {from.corrupted !== null && <TextField {...field("corrupted")} />}
      </div>
      {error && (
        <div class="lw-token-error" role="alert" data-error-type={error.type}>
          <b>{error.message}</b>
          {error.type === "SpaceQuestion" && wrongField ? (
            <span class="lw-token-asked">
              <Button
                label={`use ${dotted(respaced(fields[wrongField]))}`}
                primary
                disabled={running}
                onClick={() => run(set(wrongField, respaced(fields[wrongField])))}
              />
              <Button
                label={`keep ${dotted(fields[wrongField])}`}
                disabled={running}
                onClick={() => run(fields, true)}
              />
            </span>
          ) : (
            error.hint && <span class="lw-muted">{error.hint}</span>
          )}
        </div>
      )}
      <div class="lw-token-editor-foot">
        <Button label="run" primary asks disabled={running} onClick={() => run()}>
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

/** With a space in front if there is none, without it if there is. */
export function respaced(answer: string): string {
  return answer.startsWith(" ") ? answer.slice(1) : ` ${answer}`;
}

/** A text as tokens are shown: spaces as dots. */
function dotted(text: string): string {
  return text.replaceAll(" ", "·");
}

/** The likeliest next tokens of the prompt as it is; one click puts one into an answer's field. */
function Suggestions(props: {
  view: ViewHandle;
  prompt: number;
  into: string;
  onTake: (text: string) => void;
}): JSX.Element {
  const { view, prompt, into, onTake } = props;
  const { data } = useAnswer(view, ask.likely, { prompt });
  const texts = data?.texts("text") ?? [];
  const probs = data?.numbers("prob") ?? [];
  return (
    <span class="lw-token-likely" role="group" aria-label={`likely next tokens, for the ${into}`}>
      <span class="lw-muted">likely, for the {into}</span>
      <span class="lw-token-likely-list">
        {data?.texts("token").map((shown, i) => (
          <button
            key={texts[i]}
            type="button"
            class="lw-btn"
            title={`put it into the field of the ${into}`}
            data-likely={shown}
            data-value={String(probs[i])}
            onClick={() => onTake(texts[i] ?? "")}
          >
            <span class="lw-mono">{shown}</span> {probText(probs[i] ?? Number.NaN)}
          </button>
        ))}
      </span>
    </span>
  );
}
