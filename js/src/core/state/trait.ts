import { effect, type Signal, signal } from "@preact/signals";
import { flush } from "./flush";
import { listen, type WidgetModel } from "./model";

const OWN_WRITE_MS = 1000;

/**
 * Tells a late echo of one of our own older values from somebody else's change.
 *
 * Clicking A then B may bring A back from the kernel after B was shown; following it would make the
 * selection jump back and forth under the mouse.
 */
export class OwnWrites {
  #values: string[] = [];
  #last = Number.NEGATIVE_INFINITY;

  wrote(value: string, now: number): void {
    if (now - this.#last > OWN_WRITE_MS) this.#values = [];
    this.#values.push(value);
    this.#last = now;
  }

  isStale(value: string, now: number): boolean {
    if (now - this.#last > OWN_WRITE_MS) return false;
    return this.#values.at(-1) !== value && this.#values.includes(value);
  }
}

const saving = new WeakSet<WidgetModel>();

/**
 * Writes changed traits once the running handler is through: what it asked the kernel for goes first,
 * and several traits written by one click go in one message.
 */
function saveSoon(model: WidgetModel, abort: AbortSignal): void {
  if (saving.has(model)) return;
  saving.add(model);
  queueMicrotask(() => {
    saving.delete(model);
    if (!abort.aborted) model.save_changes();
  });
}

/**
 * A trait as a signal, both ways. Local writes show at once and are sent; writes from elsewhere are
 * followed. `parse` returns undefined for what cannot be a value, which is then not followed. A trait that
 * the widget does not have is a plain local signal.
 */
export function syncedTrait<T>(
  model: WidgetModel,
  name: string,
  parse: (raw: unknown) => T | undefined,
  missing: T,
  abort: AbortSignal,
): Signal<T> {
  const raw = model.get(name);
  const parsed = parse(raw);
  const value = signal<T>(parsed === undefined ? missing : parsed);
  if (raw === undefined || (raw === null && parsed === undefined)) return value;

  const own = new OwnWrites();
  let known = JSON.stringify(value.peek());
  const stop = effect(() => {
    const json = JSON.stringify(value.value);
    if (json === known) return;
    known = json;
    own.wrote(json, performance.now());
    model.set(name, value.value);
    saveSoon(model, abort);
  });
  abort.addEventListener("abort", stop, { once: true });

  listen(
    model,
    `change:${name}`,
    () => {
      const incoming = parse(model.get(name));
      if (incoming === undefined) return;
      const json = JSON.stringify(incoming);
      if (json === known) return;
      if (own.isStale(json, performance.now())) {
        model.set(name, value.peek());
        saveSoon(model, abort);
        return;
      }
      known = json;
      flush(() => {
        value.value = incoming;
      });
    },
    abort,
  );
  return value;
}
