import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { ErrorInfo } from "../../generated/messages";
import type { Command } from "../../wire/question";
import { flush } from "./flush";
import { INTERRUPTED, isWithdrawn, type ProgressInfo, type Rpc, RpcError } from "./rpc";
import type { ViewSession } from "./session";
import type { AnySlot, ChangesSession, MountedView, Status, Stopped } from "./view_state";

export type { Status } from "./view_state";

/** What the header, the card heads and the root's attributes need of one view, or of several together. */
export interface ViewState extends MountedView {
  readonly session: ViewSession;
}

const CHANGE = "change";

/** The life of one mounted view: its questions, what of the answers is painted, and what went wrong. */
export class ViewHandle implements ViewState, ChangesSession {
  readonly name: string;
  readonly session: ViewSession;
  readonly rpc: Rpc;
  readonly status: ReadonlySignal<Status>;
  readonly paintedRevision: ReadonlySignal<number>;
  readonly paintedSeq: Signal<number> = signal(0);
  readonly progress: Signal<ProgressInfo | null> = signal(null);
  readonly error: Signal<ErrorInfo | null> = signal(null);
  readonly stopped: Signal<Stopped> = signal("");
  /** Nothing of its own is known yet, and it is on its way. */
  readonly empty: ReadonlySignal<boolean>;
  /** Whether the view is on screen or close to it; `ViewRoot` watches. */
  readonly near = signal(true);

  readonly #slots: Signal<readonly AnySlot[]> = signal([]);
  readonly #changes = signal(0);
  #seq = 0;
  #progressOf = "";
  #errorOf = "";

  constructor(name: string, session: ViewSession, rpc: Rpc) {
    this.name = name;
    this.session = session;
    this.rpc = rpc;
    this.status = computed(() => this.#status());
    this.empty = computed(() => {
      const own = this.#slots.value.filter((slot) => !slot.quiet && !slot.shared);
      const coming = this.status.value !== "error" && this.status.value !== "snapshot";
      return coming && own.every((slot) => slot.loaded.value === null);
    });
    this.paintedRevision = computed(() => {
      const painted = this.#slots.value.map((slot) => slot.paintedRevision.value);
      const known = painted.filter((revision) => revision !== null);
      return known.length > 0 ? Math.min(...known) : session.state.value.revision;
    });
  }

  #status(): Status {
    const slots = this.#slots.value.filter((slot) => !slot.quiet);
    if (!this.session.connected.value) return "snapshot";
    const failed = this.error.value !== null;
    const pending = slots.some((slot) => slot.pending.value);
    if (slots.some((slot) => slot.fromSnapshot.value) && !failed) return "snapshot";
    if (pending || this.#changes.value > 0 || this.session.changing.value) {
      return this.progress.value?.state === "waiting" ? "waiting" : "busy";
    }
    if (this.session.outdated.value) return "outdated";
    if (failed) return "error";
    return slots.some((slot) => slot.putOff.value) ? "offscreen" : "idle";
  }

  /** Numbers of all slots grow together, so that a larger one is always the later click. */
  nextSeq(): number {
    return ++this.#seq;
  }

  attachSlot(slot: AnySlot): () => void {
    this.#slots.value = [...this.#slots.peek(), slot];
    return () => {
      this.#slots.value = this.#slots.peek().filter((other) => other !== slot);
    };
  }

  /** Asks for a change of the session; an error is shown in this view. True when it was made. */
  async change<Args extends object>(command: Command<Args>, args: Args): Promise<boolean> {
    flush(() => {
      this.#changes.value++;
      if (this.#errorOf === CHANGE) this.error.value = null;
      this.started();
    });
    const onProgress = (progress: ProgressInfo) => flush(() => this.progressed(CHANGE, progress));
    try {
      await this.session.change(command, args, { onProgress });
      return true;
    } catch (error) {
      if (!isWithdrawn(error)) {
        const info =
          error instanceof RpcError ? error : { type: "Error", message: String(error), hint: "" };
        flush(() => this.fail(info, CHANGE));
      }
      return false;
    } finally {
      flush(() => {
        this.#changes.value--;
        this.settled(CHANGE);
      });
    }
  }

  /** What was asked for is not wanted any more, by whoever withdrew it. */
  withdrawn(error: RpcError): void {
    this.stopped.value = error.type === INTERRUPTED ? "interrupted" : "stopped";
  }

  started(): void {
    this.stopped.value = "";
    this.session.snapshot.hold();
  }

  painted(seq: number): void {
    if (seq > this.paintedSeq.peek()) this.paintedSeq.value = seq;
  }

  progressed(key: string, progress: ProgressInfo): void {
    this.#progressOf = key;
    this.progress.value = progress;
  }

  /** A slot got its answer, so what it had complained about is over. */
  answered(key: string): void {
    if (this.#errorOf === key) this.error.value = null;
  }

  settled(key: string): void {
    if (this.#progressOf === key) this.progress.value = null;
    const views = [this, ...this.session.views.peek()];
    // Only when all rest: half of one state and half of another would be a false picture.
    // Each answer carries its revision, so one that was put off does no harm.
    const rests = (status: Status) => status === "idle" || status === "offscreen";
    if (views.every((view) => rests(view.status.peek()))) this.session.snapshot.schedule();
  }

  fail(error: ErrorInfo, key = ""): void {
    this.#errorOf = key;
    this.error.value = { type: error.type, message: error.message, hint: error.hint };
  }

  dismiss(): void {
    this.error.value = null;
  }

  stop(): void {
    for (const slot of this.#slots.peek()) if (slot.pending.peek()) slot.stop();
  }

  retry(): void {
    flush(() => {
      batch(() => {
        this.error.value = null;
        this.stopped.value = "";
      });
      for (const slot of this.#slots.peek()) if (!slot.pending.peek()) slot.retry();
    });
  }
}

const RANK: readonly Status[] = [
  "idle",
  "offscreen",
  "snapshot",
  "busy",
  "waiting",
  "outdated",
  "error",
];

/** Several views as one: the worst status, the newest number, the oldest revision. */
export class ViewGroup implements ViewState {
  readonly name: string;
  readonly session: ViewSession;
  readonly status: ReadonlySignal<Status>;
  readonly paintedSeq: ReadonlySignal<number>;
  readonly paintedRevision: ReadonlySignal<number>;
  readonly progress: ReadonlySignal<ProgressInfo | null>;
  readonly error: ReadonlySignal<ErrorInfo | null> = signal(null);
  readonly stopped: ReadonlySignal<Stopped>;
  readonly #views: ReadonlySignal<readonly MountedView[]>;

  constructor(name: string, session: ViewSession) {
    this.name = name;
    this.session = session;
    this.#views = session.views;
    this.status = computed(() => {
      const ranks = this.#views.value.map((view) => RANK.indexOf(view.status.value));
      return RANK[Math.max(0, ...ranks)] ?? "idle";
    });
    this.paintedSeq = computed(() =>
      Math.max(0, ...this.#views.value.map((view) => view.paintedSeq.value)),
    );
    this.paintedRevision = computed(() => {
      const painted = this.#views.value.map((view) => view.paintedRevision.value);
      return painted.length > 0 ? Math.min(...painted) : session.state.value.revision;
    });
    this.progress = computed(
      () =>
        this.#views.value
          .map((view) => view.progress.value)
          .find((progress) => progress !== null) ?? null,
    );
    this.stopped = computed(
      () => this.#views.value.map((view) => view.stopped.value).find((why) => why !== "") ?? "",
    );
  }

  stop(): void {
    for (const view of this.#views.peek()) view.stop();
  }

  retry(): void {
    for (const view of this.#views.peek()) view.retry();
  }

  dismiss(): void {
    for (const view of this.#views.peek()) view.dismiss();
  }
}
