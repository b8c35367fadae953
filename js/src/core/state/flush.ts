import { batch } from "@preact/signals";
import { options } from "preact";

let flushing = false;
const afterwards: (() => void)[] = [];

/** Calls `act` once the change that is being applied is rendered; at once where none is. */
export function afterFlush(act: () => void): void {
  if (flushing) afterwards.push(act);
  else act();
}

/**
 * Applies a change and renders what it dirtied before returning.
 *
 * Preact renders in a microtask by default. A click must show in the same frame and its view must say
 * "busy" before the click handler returns, and a reply must be painted before its number is published
 * as painted, so both go through here.
 */
export function flush<T>(change: () => T): T {
  if (flushing) return change();
  flushing = true;
  const outer = options.debounceRendering;
  const queue: (() => void)[] = [];
  options.debounceRendering = (render) => {
    queue.push(render);
  };
  try {
    return batch(change);
  } finally {
    try {
      for (let render = queue.shift(); render; render = queue.shift()) render();
    } finally {
      if (outer) options.debounceRendering = outer;
      else delete options.debounceRendering;
      flushing = false;
      for (let act = afterwards.shift(); act; act = afterwards.shift()) act();
    }
  }
}
