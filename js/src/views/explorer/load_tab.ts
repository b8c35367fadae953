import { modules } from "lw-host";
import type { FunctionComponent } from "preact";
import type { MountedBundle, PanelProps } from "../../core/parts/mount";
import type { ViewHandle } from "../../core/state/handle";
import { isRecord } from "../../core/state/model";
import { RpcError } from "../../core/state/rpc";
import { tabCode } from "../../generated/explorer";

type Panel = FunctionComponent<PanelProps>;

const loaded = new Map<string, Promise<unknown>>();

/** The panel of a view, its code loaded once for the page. Rejects with `RpcError`. */
export async function loadPanel(view: ViewHandle, tab: string): Promise<Panel> {
  const exported = await loadModule(view, tab);
  const bundle: unknown = isRecord(exported) ? exported.default : null;
  if (isBundle(bundle)) return bundle.Panel;
  throw failure(tab, "no panel");
}

/** What a part of the explorer exports, loaded once for the page. Rejects with `RpcError`. */
export function loadModule(view: ViewHandle, name: string): Promise<unknown> {
  const known = loaded.get(name);
  if (known) return known;
  const made = load(view, name);
  loaded.set(name, made);
  made.catch(() => loaded.delete(name));
  return made;
}

/** What an exported page brings along: the makers of the parts that it may need, by name. */
function brought(): ReadonlyMap<unknown, unknown> {
  const found: unknown = Reflect.get(globalThis, "lwTabs");
  return found instanceof Map ? found : new Map();
}

/** Whether a view can be shown without asking the kernel for its code. */
export function isAtHand(tab: string): boolean {
  return loaded.has(tab) || brought().has(tab);
}

async function load(view: ViewHandle, tab: string): Promise<unknown> {
  const maker = brought().get(tab);
  if (typeof maker === "function") return maker(offered);
  const answer = await view.rpc.ask(`tab ${tab}`, view.nextSeq(), tabCode, { tab });
  // The same way in which hosts load a widget's own module.
  const url = URL.createObjectURL(new Blob([answer.attrs.code], { type: "text/javascript" }));
  try {
    const made: unknown = await import(/* @vite-ignore */ url);
    if (isRecord(made) && typeof made.default === "function") return made.default(offered);
    throw new Error("no module");
  } catch (error) {
    throw failure(tab, String(error));
  } finally {
    URL.revokeObjectURL(url);
  }
}

function failure(name: string, why: string): RpcError {
  const message = `The part ${name} could not be loaded: ${why}.`;
  return new RpcError({ type: "Error", message, hint: "Reload the page." });
}

function offered(name: string): unknown {
  if (name in modules) return modules[name];
  throw new Error(`${name} is missing`);
}

function isBundle(value: unknown): value is MountedBundle {
  return isRecord(value) && typeof value.Panel === "function";
}
