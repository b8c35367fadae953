// VS Code's notebook page, as far as widgets see it: Microsoft's own widget manager over a kernel that
// knows no comm subshells, with binary buffers carried as arrays of numbers on their way.

import { KernelConnection, ServerConnection } from "@jupyterlab/services";
import { deserialize, serialize } from "@jupyterlab/services/lib/kernel/serialize";

/** VS Code posts messages between its processes as JSON: bytes become numbers, and bytes again. */
const carried = (buffer) => {
  const bytes = ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
  window.carriedBytes = (window.carriedBytes ?? 0) + bytes.length;
  return new Uint8Array(JSON.parse(JSON.stringify(Array.from(bytes)))).buffer;
};

const serializer = {
  serialize,
  deserialize(data, protocol) {
    const message = deserialize(data, protocol);
    if (message.buffers?.length) message.buffers = message.buffers.map(carried);
    return message;
  },
};

window.connect = async (server, id) => {
  const serverSettings = ServerConnection.makeSettings({
    baseUrl: server,
    wsUrl: server.replace("http", "ws"),
    token: "",
    serializer,
  });
  const kernel = new KernelConnection({
    model: { id, name: "python3" },
    serverSettings,
    handleComms: true,
    commsOverSubshells: "disabled",
  });
  await kernel.info;
  requirejs.config({ paths: { anywidget: new URL("anywidget", location.href).href } });
  const { activate } = await import(new URL("ipywidgets.js", location.href).href);
  activate();
  window.vscIPyWidgets8.load();
  const loader = {
    widgetsRegisteredInRequireJs: new Set(["anywidget"]),
    loadWidgetScript: async () => {},
    successHandler: () => {},
    errorHandler: (name, module, version, error) => console.error(name, module, version, error),
  };
  const views = document.querySelector("#views");
  window.manager = new window.vscIPyWidgets.WidgetManager(kernel, views, loader, () => {});
};

window.show = async (ids) => {
  for (const id of ids) {
    while (!window.manager.has_model(id)) await new Promise((done) => setTimeout(done, 20));
    const model = await window.manager.get_model(id);
    const view = await window.manager.create_view(model);
    const node = document.createElement("div");
    document.querySelector("#views").append(node);
    await window.manager.display_view({}, view, { node });
  }
};
