import type { JSX } from "preact";
import { useContext, useLayoutEffect, useRef, useState } from "preact/hooks";
import { copyText } from "../export/clipboard";
import { flush } from "../state/flush";
import type { ViewState } from "../state/handle";
import { takesKeys } from "./keyboard";
import { Loading } from "./later";
import { Live } from "./ui";

/** What a view can be taken away as, beside its picture. */
export interface TakeawayContent {
  /** The shown numbers; null while there are none. */
  csv?: () => string | null;
  /** TransformerLens code that gives the same numbers. */
  code?: () => Promise<string>;
  /** A file that the kernel writes: "save MIB JSON" saves `name`. */
  file?: { label: string; name: string; content: () => Promise<string> };
}

const SHOWN_MS = 1500;

/** "take ▾": copy or save what the view shows. `ViewFrame` puts it into every view's head. */
export function Takeaway({ handle, csv, code, file }: { handle: ViewState } & TakeawayContent) {
  const live = useContext(Live).value;
  const [open, setOpen] = useState(false);
  const [outcome, setOutcome] = useState("");
  const load = useContext(Loading);
  const saving = () => load("export_save", () => import("../export/save"));
  const box = useRef<HTMLSpanElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useLayoutEffect(() => () => clearTimeout(timer.current), []);
  useLayoutEffect(() => {
    if (open) box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }, [open]);

  const close = (focus: boolean) => {
    flush(() => setOpen(false));
    if (focus) box.current?.querySelector("button")?.focus({ preventScroll: true });
  };
  const root = () => box.current?.closest<HTMLElement>("[data-lw-view]") ?? null;
  const needed = async (text: string | null | Promise<string>) => {
    const known = await text;
    if (known === null) throw new Error("there are no numbers yet");
    return known;
  };
  const entries: { label: string; run: (view: HTMLElement) => Promise<boolean> }[] = [];
  if (csv) {
    entries.push(
      { label: "copy CSV", run: async (view) => copyText(await needed(csv()), view) },
      {
        label: "save CSV",
        run: async (view) => {
          const { saveFile } = await saving();
          saveFile(await needed(csv()), "text/csv", `${handle.name}.csv`, view.ownerDocument);
          return true;
        },
      },
    );
  }
  entries.push({
    label: "save PNG",
    run: async (view) => {
      const { pictureOf, saveFile } = await saving();
      const picture = await pictureOf(view);
      if (picture) saveFile(picture, "image/png", `${handle.name}.png`, view.ownerDocument);
      return picture !== null;
    },
  });
  if (file && live) {
    entries.push({
      label: file.label,
      run: async (view) => {
        const { saveFile } = await saving();
        saveFile(await file.content(), "application/json", file.name, view.ownerDocument);
        return true;
      },
    });
  }
  if (code && live) {
    entries.push({ label: "copy code", run: async (view) => copyText(await code(), view) });
  }

  const run = async (entry: (typeof entries)[number]) => {
    close(true);
    const view = root();
    const done = view !== null && (await entry.run(view).catch(() => false));
    const verb = entry.label.startsWith("copy") ? "copied" : "saved";
    setOutcome(done ? verb : `not ${verb}`);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setOutcome(""), SHOWN_MS);
  };
  return (
    <span
      ref={box}
      class="lw-take"
      role="group"
      aria-label="copy or save"
      data-lw-unprinted=""
      {...takesKeys}
      onFocusOut={(event) => {
        const to = event.relatedTarget;
        if (!(to instanceof Node && event.currentTarget.contains(to))) close(false);
      }}
      onKeyDown={(event) => {
        if (!open) return;
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (event.key === "Escape") close(true);
        else if (step !== undefined) {
          const items = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=menuitem]")];
          const at = items.findIndex((item) => item.matches(":focus"));
          items[(at + step + items.length) % items.length]?.focus();
        } else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      <button
        type="button"
        class="lw-btn"
        aria-label="copy or save"
        aria-haspopup="menu"
        aria-expanded={open}
        title="copy or save what this view shows"
        onClick={(event) => {
          event.stopPropagation();
          flush(() => setOpen(!open));
        }}
      >
        <span role="status">{outcome || "⤓"}</span>
      </button>
      {open && <Menu entries={entries} run={run} />}
    </span>
  );
}

function Menu<E extends { label: string }>(props: {
  entries: readonly E[];
  run: (entry: E) => Promise<void>;
}): JSX.Element {
  return (
    <span class="lw-take-menu" role="menu" aria-label="copy or save">
      {props.entries.map((entry) => (
        <button
          key={entry.label}
          type="button"
          class="lw-btn"
          role="menuitem"
          tabIndex={-1}
          onClick={(event) => {
            event.stopPropagation();
            void props.run(entry);
          }}
        >
          {entry.label}
        </button>
      ))}
    </span>
  );
}
