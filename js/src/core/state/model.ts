/** The part of anywidget's model that the views use; tests and other hosts can stand in for it. */
export interface WidgetModel {
  /** False for a saved state that nobody answers for, as in an exported page. */
  readonly live?: boolean;
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (...args: unknown[]) => void): void;
  off(event: string, callback: (...args: unknown[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

/** Subscribes until the signal aborts; the only way views listen to a model. */
export function listen(
  model: WidgetModel,
  event: string,
  callback: (...args: unknown[]) => void,
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  model.on(event, callback);
  signal.addEventListener("abort", () => model.off(event, callback), { once: true });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
