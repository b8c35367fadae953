// The last script of an exported page: mounts each view over a model that holds what was saved.
// Nobody answers behind it; views of one session still follow each other's selection.

const { widgets } = JSON.parse(document.getElementById("lw-state").textContent);
const models = [];

class SavedModel {
  live = false;
  #traits;
  #session;
  #listeners = new Map();

  constructor(traits, session) {
    this.#traits = traits;
    this.#session = session;
  }

  get(name) {
    return this.#traits[name];
  }

  set(name, value) {
    this.#take(name, value);
    if (name !== "selection") return;
    for (const other of models) {
      if (other !== this && other.#session === this.#session) other.#take(name, value);
    }
  }

  #take(name, value) {
    if (JSON.stringify(this.#traits[name]) === JSON.stringify(value)) return;
    this.#traits[name] = value;
    for (const listener of [...(this.#listeners.get(`change:${name}`) ?? [])]) listener();
  }

  save_changes() {}

  send() {}

  on(event, listener) {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
  }

  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }
}

for (const [index, { view, traits, session }] of widgets.entries()) {
  const el = document.querySelector(`[data-lw-widget="${index}"]`);
  el.replaceChildren();
  const model = new SavedModel(traits, session);
  models.push(model);
  globalThis.lwViews.get(view).render({ model, el });
}
