// What the parts of a view's state know of each other. The session, the handles and the slots all refer
// to these descriptions rather than to one another, so that none of their files imports the other way round.

import type { ReadonlySignal, Signal } from "@preact/signals";
import type { ErrorInfo } from "../../generated/messages";
import type { Command } from "../../wire/question";
import type { ProgressInfo } from "./rpc";

/** `offscreen`: a sweep is put off until somebody scrolls to it. */
export type Status =
  | "idle"
  | "offscreen"
  | "busy"
  | "waiting"
  | "error"
  | "snapshot"
  /** Its numbers are of the model as it was before somebody changed it. */
  | "outdated";

/** Why a view has not all of its numbers, where somebody wanted it so. */
export type Stopped = "" | "stopped" | "interrupted";

/** Whoever can ask for a change of the session and show why it was refused. True when it was made. */
export interface ChangesSession {
  change<Args extends object>(command: Command<Args>, args: Args): Promise<boolean>;
}

/** What a session knows of the views that are on the page for it. */
export interface MountedView {
  readonly name: string;
  readonly status: ReadonlySignal<Status>;
  readonly paintedSeq: ReadonlySignal<number>;
  readonly paintedRevision: ReadonlySignal<number>;
  readonly progress: ReadonlySignal<ProgressInfo | null>;
  readonly error: ReadonlySignal<ErrorInfo | null>;
  readonly stopped: ReadonlySignal<Stopped>;
  stop(): void;
  retry(): void;
  dismiss(): void;
}

/** What the view needs to know of a slot whatever its question. */
export interface AnySlot {
  readonly pending: Signal<boolean>;
  readonly putOff: Signal<boolean>;
  readonly quiet: boolean;
  readonly paintedRevision: Signal<number | null>;
  readonly fromSnapshot: Signal<boolean>;
  /** Whether it is about the session itself, as the metric is. */
  readonly shared: boolean;
  /** What is known so far; null before the first answer. */
  readonly loaded: ReadonlySignal<object | null>;
  stop(): void;
  retry(): void;
}
