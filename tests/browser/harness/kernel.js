// Answers every method of the protocol with synthetic data.
//
// options: n_layers, n_heads, n_tokens or tokens (texts), n_prompts
//   delay_ms: a number, or [low, high] for replies that overtake each other
//   failures: { method: message } answers with an error; set kernel.failures later to mend it
//   manual: true keeps replies in kernel.held until kernel.release(index)
//   silent: true answers nothing, as a kernel that is gone
//   plain_buffers: true sends buffers as arrays of numbers, as VS Code does
//   progress: number of progress messages before each slow reply

import { answer, change, summary, tokens } from "./methods.js";
import { makeTokens, noise, tokensOf } from "./data.js";

const CHANGES = new Set(["toggle", "set_enabled", "remove", "undo", "redo", "clear", "toggle_patches", "edit_prompt"]);

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
      tokens: tokens ? tokensOf(tokens) : makeTokens(i === 0 ? n_tokens : Math.max(4, n_tokens - i)),
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
  }

  describe(revision, prompts_revision) {
    return {
      revision,
      prompts_revision,
      n_prompts: this.prompts.length,
      interventions: structuredClone(this.interventions),
      can_undo: this.history.length > 0,
      can_redo: this.undone.length > 0,
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
    if (message.kind === "cancel") {
      this.cancelled.push(message.slot);
      return;
    }
    this.requests.push(message);
    const name = message.method.replace(/^session\//, "");
    if (CHANGES.has(name)) message = { ...message, method: name };
    this.newest.set(message.slot, message.id);
    if (this.silent) return;
    // As the kernel does: a change is made as it comes in, numbers are worked out when their turn is.
    const made = CHANGES.has(message.method) ? this.outcome(message) : null;
    const send = () => {
      // Worked out when its turn is; the page is told when the real question has been answered.
      const known = made ?? this.outcome(message);
      if (known instanceof Promise) void known.then((answer) => this.respond(model, message, answer));
      else this.respond(model, message, known);
    };
    if (this.manual && !CHANGES.has(message.method)) this.held.push({ message, send });
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

  outcome({ method, args }) {
    const fail = (message, hint) => ({ kind: "error", error: { type: "ValueError", message, hint } });
    const failure = this.failures[method];
    if (failure) return fail(failure, "This is what to do about it.");
    if (method === "session/metric") return this.plain(summary(this));
    if (method === "session/tokens") return this.tokens(args);
    if (method.includes("/")) return this.real(method, args);
    const packed = [];
    try {
      const result = CHANGES.has(method)
        ? this.applyChange(method, args)
        : answer(this, method, args, (array, shape, how) => pack(packed, array, shape, how));
      const buffers = this.options.plain_buffers
        ? packed.map((view) => [...new Uint8Array(view.buffer)])
        : packed;
      return { kind: "reply", revision: result.revision ?? result.summary?.revision, result, buffers };
    } catch (error) {
      return fail(String(error.message), error.hint ?? "");
    }
  }

  // The session as Python can make it again: see tests/browser/answers.py.
  get described() {
    const { n_layers, n_heads } = this.info;
    const prompts = this.prompts.map(({ tokens }) => tokens.map(({ text }) => text));
    const vocabulary = [...new Set(["<bos>", "·Mary", "·John", ...prompts.flat()])];
    return { n_layers, n_heads, prompts, vocabulary, interventions: this.interventions };
  }

  // What the real question answers, asked of a real session by the test's Python.
  async real(method, args) {
    const { revision } = this.state;
    const answer = await window.lwAnswer(this.described, method, args);
    const buffers = (answer.buffers ?? []).map((text) => {
      const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
      return this.options.plain_buffers ? [...bytes] : new DataView(bytes.buffer);
    });
    return { ...answer, revision, buffers };
  }

  plain(attrs) {
    const { revision, ...others } = attrs;
    return { kind: "reply", revision, result: { dims: {}, variables: {}, attrs: others } };
  }

  tokens(args) {
    const { tokens: known, summary: metric, answer: pair, ...attrs } = tokens(this, args);
    const of = (field) => ({ dims: ["pos"], values: known.map((token) => token[field]) });
    const ids = new DataView(Int32Array.from(known, ({ id }) => id).buffer);
    const ref = { buffer: 0, dtype: "int32", shape: [known.length], scale: 1, offset: 0 };
    const told = this.plain({ ...attrs, revision: metric.revision });
    told.result.attrs.correct_token = pair?.correct ?? null;
    told.result.attrs.wrong_token = pair?.wrong ?? null;
    told.result.dims = { pos: known.length };
    told.result.variables = { token: of("text"), token_id: { dims: ["pos"], values: ref } };
    return { ...told, buffers: [ids] };
  }

  // What a method answers, with arrays as plain numbers: for tests to compare the screen with.
  truth(method, args) {
    return answer(this, method, args, (values) => [...Float32Array.from(values)]);
  }

  applyChange(method, args) {
    const prompts_changed = method === "edit_prompt";
    change(this, method, args, intervention);
    const { revision, prompts_revision } = this.state;
    this.state = this.describe(revision + 1, prompts_revision + (prompts_changed ? 1 : 0));
    const { state } = this;
    // The trait travels apart from the reply and may come after it.
    setTimeout(() => {
      for (const model of this.models) model.push("state", state);
    }, 1);
    return { revision: state.revision };
  }
}

function intervention(component, kind) {
  return {
    key: `${component}:${kind}`,
    label: component,
    component,
    kind,
    detail: "all positions",
    enabled: true,
    cell: null,
  };
}

// Writes an array as a buffer and returns its ArrayRef. how: "float32" or "uint8" (values in [0, 1]).
function pack(buffers, values, shape, how = "float32") {
  const buffer = buffers.length;
  if (how === "uint8") {
    buffers.push(new DataView(Uint8Array.from(values, (v) => Math.round(v * 255)).buffer));
    return { buffer, dtype: "uint8", shape, scale: 1 / 255, offset: 0 };
  }
  buffers.push(new DataView(Float32Array.from(values).buffer));
  return { buffer, dtype: "float32", shape, scale: 1, offset: 0 };
}
