// The part of anywidget's model that views use, connected to a mock kernel instead of a comm.

const clone = (value) => (value === undefined ? undefined : structuredClone(value));

export class MockModel {
  constructor(kernel, traits) {
    this.kernel = kernel;
    this.traits = clone(traits);
    this.dirty = new Set();
    this.listeners = new Map();
    this.sent = [];
    this.saves = [];
    kernel.connect(this);
  }

  get(name) {
    return clone(this.traits[name]);
  }

  set(name, value) {
    if (JSON.stringify(value) === JSON.stringify(this.traits[name])) return;
    this.traits[name] = clone(value);
    this.dirty.add(name);
    this.emit(`change:${name}`);
  }

  save_changes() {
    const changes = Object.fromEntries([...this.dirty].map((name) => [name, this.get(name)]));
    this.dirty.clear();
    this.saves.push(changes);
    this.kernel.traitsFrom(this, changes);
  }

  send(content, _callbacks, _buffers) {
    const message = clone(content);
    this.sent.push(message);
    this.kernel.receive(this, message);
  }

  on(event, callback) {
    const callbacks = this.listeners.get(event) ?? new Set();
    callbacks.add(callback);
    this.listeners.set(event, callbacks);
  }

  off(event, callback) {
    this.listeners.get(event)?.delete(callback);
  }

  emit(event, ...args) {
    for (const callback of [...(this.listeners.get(event) ?? [])]) callback(...args);
  }

  // A trait written by the kernel.
  push(name, value) {
    if (!(name in this.traits)) return;
    if (JSON.stringify(value) === JSON.stringify(this.traits[name])) return;
    this.traits[name] = clone(value);
    this.emit(`change:${name}`);
  }

  get listenerCount() {
    return [...this.listeners.values()].reduce((sum, callbacks) => sum + callbacks.size, 0);
  }
}
