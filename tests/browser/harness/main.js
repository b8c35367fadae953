// window.start(options) mounts views over a mock kernel; tests drive the page through window.lab.
//
// options: views: ["attention", ...], plus those of MockKernel, plus
//   theme: "light" | "dark" as JupyterLab marks it; null leaves the page unmarked
//   shadow: true mounts in an open shadow root, as marimo does
//   options: initial traits such as { show: "difference" }, over the declared ones
//   defaults: those of each view, as Python declares them
//   snapshot: initial snapshot trait
//   audited: true puts the views into outputs as a notebook has them, and window.audit on the page

import { MockKernel } from "./kernel.js";
import { MockModel } from "./model.js";

export function setTheme(theme) {
  if (theme === null) delete document.body.dataset.jpThemeLight;
  else document.body.dataset.jpThemeLight = String(theme === "light");
}

window.start = async ({ views, theme = "light", shadow = false, options = {}, snapshot = {}, defaults, audited, ...rest }) => {
  setTheme(theme);
  const audit = audited ? await import("./audit/index.js") : null;
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
      ...defaults[view],
      ...options,
    });
    const host = document.createElement("div");
    document.querySelector("#views").append(host);
    audit?.asOutput(host);
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
