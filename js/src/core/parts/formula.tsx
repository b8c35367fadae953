import type { JSX } from "preact";

/** Words with weights in them, which are set as in print: W_E with its index below. */
export function Formula({ text }: { text: string }): JSX.Element {
  // Words, letters and indices take turns.
  const parts = text.split(/\b([Wb])_([A-Za-z]+)/);
  return <>{parts.map((part, i) => (i % 3 === 2 ? <sub key={i}>{part}</sub> : part))}</>;
}
