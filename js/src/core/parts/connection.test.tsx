import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { undo } from "../../generated/session";
import type { Question } from "../../wire/question";
import { NO_STATE } from "../state/parse";
import { useAnswer } from "../state/resource";
import { FakeModel } from "../state/testing";
import { mountView, type PanelProps } from "./mount";
import { Switch } from "./ui";
import { useView, ViewFrame } from "./view";

const pattern: Question<
  { layer: number; head: number },
  { numbers: never; texts: never; attrs: { layer: number; head: number } }
> = { method: "probe/pattern" };

function Panel({ session, rpc, compact }: PanelProps) {
  const view = useView("probe", { session, rpc });
  const { layer, head } = session.selection.value;
  const { data } = useAnswer(view, pattern, { layer, head });
  return (
    <ViewFrame handle={view} title="probe" compact={compact}>
      <p>{data ? `L${data.attrs.layer}H${data.attrs.head}` : "nothing"}</p>
      <button type="button" data-pick onClick={() => session.select({ head: 1 })} />
      <button type="button" data-back onClick={() => session.select({ head: 0 })} />
      <button type="button" data-undo onClick={() => void view.change(undo, {})} />
      <Switch label="ablate" checked={false} onToggle={() => void view.change(undo, {})} />
    </ViewFrame>
  );
}

const ARGS = { layer: 0, head: 0 };
const RESULT = { dims: {}, variables: {}, attrs: ARGS };
const METRIC = { metric: "loss", units: "nats", n_prompts: 1, baseline: 1, current: 1 };
const SAVED = {
  version: 1,
  slots: {
    "probe/pattern": { method: "probe/pattern", args: ARGS, result: RESULT, buffers: [] },
  },
};

describe("a view that nobody answers", () => {
  let host: HTMLElement;
  let model: FakeModel;
  let close: () => void;
  const find = (selector: string) => host.querySelector<HTMLElement>(selector);
  const status = () => find("[data-lw-view]")?.dataset.lwStatus;
  const alert = () => find('[role="alert"]')?.textContent ?? null;
  const click = async (selector: string) => {
    find(selector)?.click();
    await vi.advanceTimersByTimeAsync(10);
  };

  const mount = async (options: { live?: boolean; marked?: boolean; snapshot?: unknown }) => {
    model = new FakeModel({
      state: { ...NO_STATE, revision: 1 },
      selection: { layer: 0, head: 0, query_pos: null, key_pos: null, prompt: 0 },
      snapshot: options.snapshot === undefined ? SAVED : options.snapshot,
    });
    if (options.live !== undefined) model.live = options.live;
    host = document.createElement("div");
    if (options.marked) host.className = "jupyter-widgets-disconnected";
    const el = document.createElement("div");
    host.append(el);
    document.body.append(host);
    close = mountView(Panel).render({ model, el });
    await vi.advanceTimersByTimeAsync(10);
  };

  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    close();
    render(null, host);
    host.remove();
    vi.useRealTimers();
  });

  it.each([
    ["a model that says so", { live: false }],
    ["the mark of ipywidgets", { marked: true }],
  ])("is a snapshot, by %s, and asks for nothing", async (_, options) => {
    await mount(options);
    expect([status(), find("p")?.textContent, alert()]).toEqual(["snapshot", "L0H0", null]);
    expect(model.sent).toEqual([]);
  });

  it("says what it cannot show, until what was saved is asked for again", async () => {
    await mount({ live: false });
    await click("[data-pick]");
    expect(alert()).toContain("needs a running kernel");
    expect(find('[role="alert"] button')?.textContent).toBe("dismiss");
    expect(status()).toBe("snapshot");
    await click("[data-back]");
    expect(alert()).toBeNull();
  });

  it("says that a change needs a kernel", async () => {
    await mount({ live: false });
    await click("[data-undo]");
    expect(alert()).toContain("needs a running kernel");
    expect(model.sent).toEqual([]);
  });

  it("says so too when nothing was saved", async () => {
    await mount({ live: false, snapshot: null });
    expect(alert()).toContain("needs a running kernel");
    expect(status()).toBe("snapshot");
  });

  it("believes the host's view where that marks no element", async () => {
    await mount({});
    expect(status()).toBe("snapshot");
    expect(model.requests("probe/pattern").length).toBe(1);
    model.view = { model: { comm_live: false } };
    model.emit("comm_live_update");
    await vi.advanceTimersByTimeAsync(10);
    await click("[data-undo]");
    expect(alert()).toContain("needs a running kernel");
    expect(model.requests("session/undo")).toEqual([]);
  });

  it("becomes a snapshot when the kernel goes in the middle of a question, and asks when it is back", async () => {
    await mount({ snapshot: null });
    expect([status(), model.requests("probe/pattern").length]).toEqual(["busy", 1]);
    host.className = "jupyter-widgets-disconnected";
    model.emit("comm_live_update");
    await vi.advanceTimersByTimeAsync(10);
    expect(status()).toBe("snapshot");
    host.className = "";
    model.emit("comm_live_update");
    await vi.advanceTimersByTimeAsync(10);
    expect([status(), model.requests("probe/pattern").length]).toEqual(["busy", 2]);
  });

  it("says once that a kernel is gone that was there, and offers nothing that needs it", async () => {
    await mount({ snapshot: null });
    expect(find('[role="switch"]')?.hasAttribute("disabled")).toBe(false);
    model.reply(model.lastRequest("probe/pattern"), RESULT, 1);
    await vi.advanceTimersByTimeAsync(10);
    host.className = "jupyter-widgets-disconnected";
    model.emit("comm_live_update");
    await vi.advanceTimersByTimeAsync(10);
    await click("[data-undo]");
    await click("[data-pick]");
    expect(host.querySelectorAll('[role="alert"]').length).toBe(1);
    expect(alert()).toContain("run the cells again");
    expect(find('[role="switch"]')?.hasAttribute("disabled")).toBe(true);
  });
});

describe("a view of a model that was changed", () => {
  const CHANGED = { type: "ModelChangedError", message: "The weights changed.", hint: "Refresh." };
  let host: HTMLElement;
  let model: FakeModel;
  let close: () => void;
  const alerts = () => [...host.querySelectorAll('[role="alert"]')].map((one) => one.textContent);
  const status = () => host.querySelector<HTMLElement>("[data-lw-view]")?.dataset.lwStatus;
  const settle = () => vi.advanceTimersByTimeAsync(10);
  const answer = async (revision: number) => {
    model.reply(model.lastRequest("probe/pattern"), RESULT, revision);
    model.answer(model.lastRequest("session/metric"), METRIC, revision);
    await settle();
  };
  const state = (more: object) => ({ ...NO_STATE, revision: 1, ...more });

  beforeEach(async () => {
    vi.useFakeTimers();
    model = new FakeModel({ state: state({}) });
    host = document.createElement("div");
    document.body.append(host);
    close = mountView(Panel).render({ model, el: host });
    await settle();
    await answer(1);
  });
  afterEach(() => {
    close();
    host.remove();
    vi.useRealTimers();
  });

  it("says so without a click, and asks anew once it was taken as it is", async () => {
    expect([status(), alerts()]).toEqual(["idle", []]);
    model.set("state", state({ outdated: CHANGED }));
    await settle();
    expect([status(), alerts()]).toEqual(["outdated", ["The weights changed.Refresh.refresh"]]);
    host.querySelector<HTMLElement>('[aria-label="refresh"]')?.click();
    await settle();
    model.answer(model.lastRequest("session/refresh"), {}, 2);
    model.set("state", state({ revision: 2, prompts_revision: 1 }));
    await settle();
    await answer(2);
    expect([status(), alerts()]).toEqual(["idle", []]);
  });

  it("has one alert however it is told, and asks again when the model is as it was", async () => {
    host.querySelector<HTMLElement>("[data-pick]")?.click();
    await settle();
    model.fail(model.lastRequest("probe/pattern"), CHANGED);
    await settle();
    model.set("state", state({ outdated: CHANGED }));
    await settle();
    expect([status(), alerts()]).toEqual(["outdated", ["The weights changed.Refresh.refresh"]]);
    const before = model.requests("probe/pattern").length;
    model.set("state", state({}));
    await settle();
    expect(alerts()).toEqual([]);
    expect(model.requests("probe/pattern").length).toBe(before + 1);
  });

  it("offers no refresh that would fail", async () => {
    model.set("state", state({ outdated: { ...CHANGED, type: "TrainingModeError" } }));
    await settle();
    expect(alerts()).toEqual(["The weights changed.Refresh."]);
  });
});
