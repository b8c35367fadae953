import { type Signal, signal } from "@preact/signals";
import type { HeadRef, ViewSession } from "../../core/state/session";
import type { Zoom } from "./layout";

/** A cell, or a whole row (`k` null) or column (`q` null). */
export interface Picked {
  q: number | null;
  k: number | null;
}

/** What belongs to one attention view and never leaves it. */
export class AttentionState {
  readonly hover: Signal<Picked | null> = signal(null);
  /** While locked, hovering heads does not change the large pattern. */
  readonly locked = signal(false);
  readonly compare: Signal<HeadRef | null> = signal(null);
  /** The large pattern has the whole width. */
  readonly solo = signal(false);
  /** Null shows the whole pattern. Shared by the patterns that are compared. */
  readonly zoom: Signal<Zoom | null> = signal(null);
  /** The cells that are asked for exactly, of a pattern that comes rounded. */
  readonly square: Signal<Zoom | null> = signal(null);

  /** A click on a head: locks it; on the locked one, unlocks. With shift it is put beside the other. */
  click(session: ViewSession, head: HeadRef, beside: boolean): void {
    const { layer, head: index } = session.selection.peek();
    const selected = same({ layer, head: index }, head);
    if (beside) {
      const already = same(this.compare.peek(), head);
      this.compare.value = already || selected ? null : head;
      this.locked.value = true;
    } else if (selected && this.locked.peek()) {
      this.locked.value = false;
    } else {
      this.locked.value = true;
      session.select(head);
    }
    if (this.locked.peek()) session.preview.value = null;
  }

  /** Escape: everything that was locked or opened is let go. */
  clear(session: ViewSession): void {
    this.locked.value = false;
    this.compare.value = null;
    this.solo.value = false;
    this.zoom.value = null;
    session.select({ query_pos: null, key_pos: null, stripe: null });
  }
}

export function same(a: HeadRef | null, b: HeadRef | null): boolean {
  return a !== null && b !== null && a.layer === b.layer && a.head === b.head;
}
