// window.start(options) mounts views over a mock kernel; tests drive the page through window.lab.
//
// options: views: ["attention", ...], plus those of MockKernel, plus
//   theme: "light" | "dark" as JupyterLab marks it; null leaves the page unmarked
//   shadow: true mounts in an open shadow root, as marimo does
//   options: initial traits such as { show: "difference" }
//   snapshot: initial snapshot trait

import { MockKernel } from "./kernel.js";
import { MockModel } from "./model.js";

const OPTIONS = {
  token: { color: "loss" },
  attention: {
    show: "current",
    token_mode: "from",
    attention_mode: "pattern",
    head_average: "none",
    skip_bos: false,
    kind: "zero",
  },
  attribution: { by: "head", scope: "mean", read_at: "metric", kind: "zero" },
  ablation: { kind: "zero", values: "attribution", scope: "mean" },
  logit_lens: {
    show: "current",
    lens_color: "prob",
    lens_target: "auto",
    lens_order: "last_on_top",
    incl_mid: true,
    pins: [],
    scope: "mean",
  },
  head_scores: { scope: "mean", kind: "zero", threshold: 0.4 },
  loss: { scope: "mean" },
  model_card: {},
  activation_browser: {
    activation: "blocks.1.attn.hook_z",
    show: "current",
    slice_rows: "pos",
    group_by: "layer",
  },
  composition: { composition: "K", subtract_random: true },
  circuit: { circuit: "OV", circuit_tokens: "prompt", top_k: 10 },
  neuron: { neuron: "L0N0", show: "current", top_k: 10 },
  scores: { sources_by: "head", query_source: "", key_source: "", show: "current" },
  patching: { patch_maps: "heads", by_pos: false, patch_into: "corrupted", normalize: true, scope: "mean" },
  explorer: {
    show: "current",
    token_mode: "from",
    attention_mode: "pattern",
    head_average: "none",
    skip_bos: false,
    color: "loss",
    by: "head",
    scope: "mean",
    read_at: "metric",
    kind: "zero",
    values: "attribution",
  },
};

export function setTheme(theme) {
  if (theme === null) delete document.body.dataset.jpThemeLight;
  else document.body.dataset.jpThemeLight = String(theme === "light");
}

window.start = async ({ views, theme = "light", shadow = false, options = {}, snapshot = {}, ...rest }) => {
  setTheme(theme);
  const kernel = new MockKernel(rest);
  const mounts = [];
  for (const view of views) {
    const module = await import(`/static/${view}.js`);
    const model = new MockModel(kernel, {
      info: kernel.info,
      state: kernel.state,
      selection: { ...kernel.selection },
      settings: { ...kernel.settings },
      snapshot,
      ...OPTIONS[view],
      ...options,
    });
    const host = document.createElement("div");
    document.querySelector("#views").append(host);
    let el = host;
    if (shadow) {
      const root = host.attachShadow({ mode: "open" });
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = "/static/style.css";
      el = document.createElement("div");
      root.append(link, el);
      await new Promise((resolve) => link.addEventListener("load", resolve, { once: true }));
    }
    const abort = new AbortController();
    const cleanup = module.default.render({ model, el, signal: abort.signal });
    mounts.push({ view, model, el, host, abort, cleanup });
  }
  window.lab = { kernel, mounts, setTheme };
};

// The root of a view, also inside a shadow root.
window.find = (view) => {
  const selector = `[data-lw-view="${view}"]`;
  for (const scope of [document, ...[...document.querySelectorAll("#views > *")].map((el) => el.shadowRoot)]) {
    const root = scope?.querySelector(selector);
    if (root) return root;
  }
  return null;
};

window.ready = true;
