import { modules } from "lw-host";
import type { FunctionComponent } from "preact";
import type { MountedBundle, PanelProps } from "../../core/parts/mount";
import type { ViewHandle } from "../../core/state/handle";
import { isRecord } from "../../core/state/model";
import { RpcError } from "../../core/state/rpc";
import { tabCode } from "../../generated/explorer";

type Panel = FunctionComponent<PanelProps>;

const loaded = new Map<string, Promise<Panel>>();

/** The panel of a view, its code loaded once for the page. Rejects with `RpcError`. */
export function loadPanel(view: ViewHandle, tab: string): Promise<Panel> {
  const known = loaded.get(tab);
  if (known) return known;
  const made = load(view, tab);
  loaded.set(tab, made);
  made.catch(() => loaded.delete(tab));
  return made;
}

async function load(view: ViewHandle, tab: string): Promise<Panel> {
  const answer = await view.rpc.ask(`tab ${tab}`, view.nextSeq(), tabCode, { tab });
  // The same way in which hosts load a widget's own module.
  const url = URL.createObjectURL(new Blob([answer.attrs.code], { type: "text/javascript" }));
  try {
    const made: unknown = await import(/* @vite-ignore */ url);
    const exported = isRecord(made) && typeof made.default === "function" && made.default(offered);
    const bundle: unknown = isRecord(exported) ? exported.default : null;
    if (isBundle(bundle)) return bundle.Panel;
    throw new Error("no panel");
  } catch (error) {
    throw new RpcError({
      type: "Error",
      message: `The view ${tab} could not be loaded: ${String(error)}.`,
      hint: "Reload the page.",
    });
  } finally {
    URL.revokeObjectURL(url);
  }
}

function offered(name: string): unknown {
  if (name in modules) return modules[name];
  throw new Error(`${name} is missing`);
}

function isBundle(value: unknown): value is MountedBundle {
  return isRecord(value) && typeof value.Panel === "function";
}
