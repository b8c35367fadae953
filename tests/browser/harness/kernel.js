// Takes a page's messages as the kernel does: changes at once, numbers when their turn is. The answers
// are those of the real questions, which the test's Python asks of a real session like the page's.
//
// options: n_layers, n_heads, n_tokens or tokens (texts), n_prompts
//   delay_ms: a number, or [low, high] for replies that overtake each other
//   failures: { method: message or error } answers with an error; set kernel.failures later to mend it
//   manual: true keeps replies in kernel.held until kernel.release(index)
//   silent: true answers nothing, as a kernel that is gone
//   plain_buffers: true sends buffers as arrays of numbers, as VS Code does
//   progress: number of progress messages before each slow reply
//   real: a session of a real model by name, as Python describes it, in place of one made of sizes

import { CHANGES, change, intervention } from "./changes.js";
import { noise, sentence } from "./data.js";

export class MockKernel {
  constructor(options = {}) {
    const { n_layers = 4, n_heads = 8, n_tokens = 15, tokens, n_prompts = 8, interventions = [] } = options;
    this.options = options;
    this.failures = { ...options.failures };
    this.delay_ms = options.delay_ms ?? 0;
    this.manual = options.manual ?? false;
    this.silent = options.silent ?? false;
    this.progress = options.progress ?? 0;
    this.models = [];
    this.held = [];
    this.requests = [];
    this.cancelled = [];
    this.newest = new Map();
    this.prompts = Array.from({ length: n_prompts }, (_, i) => ({
      texts: tokens ?? sentence(i === 0 ? n_tokens : Math.max(4, n_tokens - i)),
      correct: " Mary",
      wrong: " John",
    }));
    this.info = {
      model_name: options.model_name ?? "ioi demo",
      n_layers,
      n_heads,
      n_ctx: 1024,
      mlp_layers: Array.from({ length: n_layers }, (_, i) => i),
      device: "cpu",
      dtype: "float32",
      weights: "raw",
      notes: options.notes ?? [],
    };
    this.undone = [];
    this.history = [];
    this.interventions = interventions.map((component) => intervention(component, "zero"));
    this.state = this.describe(1, 1);
    this.selection = { layer: 0, head: 0, query_pos: null, key_pos: null, prompt: 0, ...options.selection };
    this.settings = {
      ablation_kind: "zero",
      prompt_scope: "mean",
      skip_bos: false,
      ...options.settings,
    };
    if (options.real) Object.assign(this, structuredClone(options.real.traits));
  }

  describe(revision, prompts_revision) {
    return {
      revision,
      prompts_revision,
      n_prompts: this.prompts.length,
      interventions: structuredClone(this.interventions),
      undoes: this.history.length > 0 ? "" : null,
      redoes: this.undone.length > 0 ? "" : null,
      closed: false,
    };
  }

  get ablated() {
    return this.interventions.filter((item) => item.enabled).map((item) => item.component);
  }

  connect(model) {
    this.models.push(model);
  }

  traitsFrom(model, changes) {
    for (const name of ["selection", "settings"]) {
      if (!(name in changes)) continue;
      this[name] = changes[name];
      for (const other of this.models) if (other !== model) other.push(name, changes[name]);
    }
  }

  select(patch) {
    this.selection = { ...this.selection, ...patch };
    for (const model of this.models) model.push("selection", this.selection);
  }

  receive(model, message) {
    if (message.kind === "batch") {
      for (const each of message.messages) this.receive(model, each);
      return;
    }
    if (message.kind === "cancel") {
      this.cancelled.push(message.slot);
      return;
    }
    this.requests.push(message);
    this.newest.set(message.slot, message.id);
    if (this.silent) return;
    // As the kernel does: a change is made as it comes in, numbers are worked out when their turn is.
    const changes = CHANGES.has(message.method);
    const made = changes ? this.outcome(message) : null;
    const send = async () => this.respond(model, message, await (made ?? this.outcome(message)));
    if (this.manual && !changes) this.held.push({ message, send });
    else this.later(model, message, send);
  }

  later(model, message, send) {
    const { delay_ms } = this;
    const delay = Array.isArray(delay_ms)
      ? delay_ms[0] + (delay_ms[1] - delay_ms[0]) * noise(message.id, message.seq)
      : delay_ms;
    const steps = CHANGES.has(message.method) ? 0 : this.progress;
    for (let i = 1; i <= steps; i++) {
      setTimeout(() => this.report(model, message, i, steps + 1), (delay * i) / (steps + 1));
    }
    setTimeout(send, delay);
  }

  report(model, { id, slot, seq, method }, done, total) {
    if (this.cancelled.includes(slot)) return;
    const label = method.replaceAll("_", " ");
    model.emit("msg:custom", { kind: "progress", id, slot, seq, state: "computing", done, total, label }, []);
  }

  // Sends a held reply; the adversary may answer in any order, also what was superseded.
  release(index = 0) {
    const [item] = this.held.splice(index, 1);
    item?.send();
    return item?.message ?? null;
  }

  respond(model, { id, slot, seq }, { kind, buffers = [], ...content }) {
    model.emit("msg:custom", { kind, id, slot, seq, ...content }, buffers);
  }

  // The answer, or for a question the promise of it.
  outcome({ method, args }) {
    const fail = (message, hint) => ({ kind: "error", error: { type: "ValueError", message, hint } });
    const failure = this.failures[method];
    if (typeof failure === "object") return { kind: "error", error: failure };
    if (failure) return fail(failure, "This is what to do about it.");
    if (!CHANGES.has(method)) return this.answer(method, args);
    try {
      this.make(method, args);
    } catch (error) {
      return fail(String(error.message), "");
    }
    const result = { dims: {}, variables: {}, attrs: {} };
    return { kind: "reply", revision: this.state.revision, result };
  }

  // The session as Python can make it again: see tests/browser/answers.py.
  get described() {
    const { real } = this.options;
    if (real) return { real: real.name, interventions: this.interventions };
    const { n_layers, n_heads } = this.info;
    const prompts = this.prompts.map(({ texts }) => texts);
    const answers = this.prompts.map(({ correct, wrong }) => [correct, wrong].map((text) => text.replace(" ", "·")));
    const vocabulary = [...new Set(["<bos>", "·Mary", "·John", ...answers.flat(), ...prompts.flat()])];
    return { n_layers, n_heads, prompts, answers, vocabulary, interventions: this.interventions };
  }

  // What the real question answers, asked of a real session by the test's Python.
  async answer(method, args) {
    const { revision } = this.state;
    const answer = await window.lwAnswer(this.described, method, args);
    const buffers = (answer.buffers ?? []).map((text) => {
      const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
      return this.options.plain_buffers ? [...bytes] : new DataView(bytes.buffer);
    });
    return { ...answer, revision, buffers };
  }

  // A change by whoever holds the session.
  make(method, args) {
    change(this, method, args);
    const { revision, prompts_revision } = this.state;
    this.state = this.describe(revision + 1, prompts_revision + (method === "session/edit_prompt" ? 1 : 0));
    const { state } = this;
    // The trait travels apart from the reply and may come after it.
    setTimeout(() => {
      for (const model of this.models) model.push("state", state);
    }, 1);
  }

  ablate(component, on = true) {
    this.make("session/set_ablated", { component, kind: "zero", on });
  }
}
