// What changes of the session make of the page's state: the list of interventions, the prompts.

export const CHANGES = new Set(
  ["set_ablated", "set_patched", "set_cut", "set_enabled", "remove", "undo", "redo", "clear", "edit_prompt"].map(
    (name) => `session/${name}`,
  ),
);

export function intervention(component, kind, cell = null) {
  const key = cell ? `patch ${cellKey(cell)}` : `${component}:${kind}`;
  return { key, label: component, component, kind, detail: "all positions", enabled: true, cell };
}

const cellKey = ({ node, layer, head, pos }) => JSON.stringify([node, layer, head, pos]);

// Makes a change of `kernel`; throws what the session would refuse.
export function change(kernel, method, args) {
  const before = structuredClone(kernel.interventions);
  if (method === "session/undo" || method === "session/redo") {
    const [from, to] =
      method === "session/undo" ? [kernel.history, kernel.undone] : [kernel.undone, kernel.history];
    const state = from.pop();
    if (!state) throw new Error(`nothing to ${method}`);
    to.push(before);
    kernel.interventions = state;
  } else if (method === "session/edit_prompt") {
    if (args.text.trim() === "") throw new Error("prompt is empty: type at least one token");
    const words = args.text.split(/(?= )/).map((word) => word.replace(" ", "·"));
    const { correct, wrong } = args;
    kernel.prompts[args.prompt] = { texts: ["<bos>", ...words], correct, wrong };
  } else {
    kernel.history.push(before);
    kernel.undone = [];
    kernel.interventions = LISTS[method](structuredClone(before), args);
  }
}

const LISTS = {
  "session/set_ablated": (list, { component, kind, on }) => {
    const others = list.filter((item) => item.component !== component);
    return on ? [...others, intervention(component, kind)] : others;
  },
  "session/set_patched": (list, { cells, on }) => {
    const keys = cells.map(cellKey);
    const others = list.filter(({ cell }) => !cell || !keys.includes(cellKey(cell)));
    const label = ({ layer, node }) => `blocks.${layer}.${node}`;
    return on ? [...others, ...cells.map((cell) => intervention(label(cell), "patch", cell))] : others;
  },
  "session/set_cut": (list, { edges, kind, on }) => {
    const labels = edges.map(({ writer, reader }) => `${writer} → ${reader}`);
    const others = list.filter(({ label }) => !labels.includes(label));
    const cuts = edges.map((edge, index) => ({ ...intervention(labels[index], kind), edge }));
    return on ? [...others, ...cuts] : others;
  },
  "session/set_enabled": (list, { key, enabled }) =>
    list.map((item) => (item.key === key ? { ...item, enabled } : item)),
  "session/remove": (list, { key }) => list.filter((item) => item.key !== key),
  "session/clear": () => [],
};
