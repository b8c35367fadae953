import { type ReadonlySignal, signal } from "@preact/signals";
import {
  type ComponentChildren,
  createContext,
  type JSX,
  type TargetedKeyboardEvent,
} from "preact";
import { useContext, useRef, useState } from "preact/hooks";
import { palette } from "../draw/color";
import { brief, fixed } from "../draw/format";
import { useTheme } from "../draw/theme";
import { flush } from "../state/flush";

/** Whether anybody can answer: without it, what only asks the kernel is not offered. */
export const Live = createContext<ReadonlySignal<boolean>>(signal(true));

const NEEDS_KERNEL = "needs a running kernel";

export interface Choice<T extends string> {
  value: T;
  label: string;
  title?: string;
}

/** One of a few values, as joined buttons. Arrow keys move the choice, as in a radio group. */
export function Segmented<T extends string>(props: {
  label: string;
  options: readonly Choice<T>[];
  value: T;
  onChange: (value: T) => void;
}): JSX.Element {
  const { label, options, value, onChange } = props;
  const choose = (next: T) => flush(() => onChange(next));
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const index = options.findIndex((option) => option.value === value);
    const to = (index + step + options.length) % options.length;
    const next = options[to];
    if (next) choose(next.value);
    const button = event.currentTarget.children.item(to);
    if (button instanceof HTMLElement) button.focus();
  };
  return (
    <div class="lw-seg" role="radiogroup" aria-label={label} onKeyDown={onKeyDown}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === value}
          tabIndex={option.value === value ? 0 : -1}
          title={option.title}
          data-option={option.value}
          data-label={option.label}
          onClick={() => choose(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}

/** On or off. `label` is what it is called aloud, as in "ablate L1H4"; `onToggle` gets the new state. */
export function Switch(props: {
  label: string;
  checked: boolean;
  onToggle: (checked: boolean) => void;
  disabled?: boolean;
  title?: string;
  /** False in a row of many that takes the space key for it. Default true. */
  inTabOrder?: boolean;
}): JSX.Element {
  const { label, checked, onToggle, title, inTabOrder = true } = props;
  const live = useContext(Live).value;
  const disabled = props.disabled || !live;
  return (
    <button
      type="button"
      class="lw-switch"
      role="switch"
      tabIndex={inTabOrder ? 0 : -1}
      aria-checked={checked}
      aria-label={label}
      title={live ? (title ?? label) : NEEDS_KERNEL}
      disabled={disabled}
      onClick={(event) => {
        event.stopPropagation();
        flush(() => onToggle(!checked));
      }}
    >
      <span class="lw-switch-knob" />
    </button>
  );
}

/** A quiet button. `label` is its accessible name, and its text unless there are children. */
export function Button(props: {
  label: string;
  onClick: () => void;
  children?: ComponentChildren;
  disabled?: boolean;
  title?: string;
  primary?: boolean;
  /** It asks the kernel for something, and does nothing where there is none. */
  asks?: boolean;
}): JSX.Element {
  const { label, onClick, children, title, primary, asks = false } = props;
  const live = useContext(Live).value;
  const disabled = props.disabled || (asks && !live);
  return (
    <button
      type="button"
      class={primary ? "lw-btn lw-btn-primary" : "lw-btn"}
      aria-label={label}
      title={asks && !live ? NEEDS_KERNEL : title}
      disabled={disabled}
      onClick={(event) => {
        event.stopPropagation();
        flush(onClick);
      }}
    >
      {children ?? label}
    </button>
  );
}

/** What colours mean: a gradient, its ends and the unit. */
export function ColorBar(props: {
  lo: number;
  hi: number;
  unit: string;
  scale: "sequential" | "diverging" | "loss";
  /** What is written at the left and at the right of the bar, in place of both behind it. */
  ends?: readonly [string, string] | undefined;
}): JSX.Element {
  const { lo, hi, unit, scale, ends } = props;
  const { gradient } = palette(useTheme())[scale];
  const range = lo === -hi ? `±${brief(hi)}` : `${brief(lo)} to ${brief(hi)}`;
  const said = ends ? `${ends[0]} to ${ends[1]}` : `${fixed(lo)} to ${fixed(hi)}`;
  return (
    <span class="lw-colorbar" role="img" aria-label={`colour scale ${said} ${unit}`}>
      {ends && <span class="lw-colorbar-label lw-num">{ends[0]}</span>}
      <span class="lw-colorbar-ramp" style={{ background: gradient }} />
      <span class="lw-colorbar-label lw-num">
        {ends ? ends[1] : range} {unit}
      </span>
    </span>
  );
}

/** A token as it is written, in monospace. Always text, never markup. */
export function TokenText({ text }: { text: string }): JSX.Element {
  return <span class="lw-mono lw-token-text">{text}</span>;
}

/** Shows `content` above or below the children while the mouse or the focus is on them. */
export function Tooltip(props: {
  content: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  const anchor = useRef<HTMLSpanElement>(null);
  const [place, setPlace] = useState<{ below: boolean; right: boolean } | null>(null);
  const show = () => {
    const box = anchor.current?.getBoundingClientRect();
    if (!box) return;
    setPlace({ below: box.top < 180, right: box.left > window.innerWidth / 2 });
  };
  const hide = () => setPlace(null);
  const side = place && `${place.below ? "lw-below" : "lw-above"} ${place.right ? "lw-right" : ""}`;
  return (
    <span
      ref={anchor}
      class="lw-tooltip-anchor"
      onPointerEnter={show}
      onPointerLeave={hide}
      onFocusIn={show}
      onFocusOut={hide}
    >
      {props.children}
      {side && (
        <span class={`lw-tooltip ${side}`} role="tooltip">
          {props.content}
        </span>
      )}
    </span>
  );
}
