import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionState } from "../../generated/messages";
import { setAblated } from "../../generated/session";
import type { Question } from "../../wire/question";
import { flush } from "./flush";
import { ViewHandle } from "./handle";
import { NO_STATE } from "./parse";
import { useAnswer } from "./resource";
import { Rpc } from "./rpc";
import { ViewSession } from "./session";
import { FakeModel } from "./testing";
import { OwnWrites } from "./trait";

const state = (revision: number, prompts_revision = 1): SessionState => ({
  ...NO_STATE,
  revision,
  prompts_revision,
});
const pattern: Question<
  { layer: number; head: number },
  { numbers: never; texts: never; attrs: { layer: number; head: number } }
> = { method: "probe/pattern" };
const ABLATE = { component: "L0H1", kind: "zero", on: true } as const;

function Probe({ view }: { view: ViewHandle }) {
  const { layer, head } = view.session.selection.value;
  const { data, stale } = useAnswer(view, pattern, { layer, head });
  return (
    <p data-status={view.status.value} data-seq={view.paintedSeq.value} data-stale={stale}>
      {data ? `L${data.attrs.layer}H${data.attrs.head}` : "nothing"}
    </p>
  );
}

describe("a view's life", () => {
  let model: FakeModel;
  let abort: AbortController;
  let session: ViewSession;
  let view: ViewHandle;
  let root: HTMLElement;
  const shown = () => root.textContent;
  const attribute = (name: string) => root.querySelector("p")?.getAttribute(`data-${name}`);
  const settle = () => vi.advanceTimersByTimeAsync(0);
  const answer = (request: Record<string, unknown>, revision = 1) =>
    model.answer(request, Object(request.args), revision);

  const mount = (traits: Record<string, unknown> = {}) => {
    model = new FakeModel({
      state: state(1),
      selection: { layer: 0, head: 0, query_pos: null, key_pos: null, prompt: 0 },
      snapshot: {},
      ...traits,
    });
    abort = new AbortController();
    const rpc = new Rpc(model, abort.signal);
    session = new ViewSession(model, abort.signal, rpc);
    view = new ViewHandle("probe", session, rpc);
    root = document.createElement("div");
    flush(() => render(<Probe view={view} />, root));
  };

  beforeEach(() => {
    vi.useFakeTimers();
    mount();
  });
  afterEach(() => {
    render(null, root);
    abort.abort();
    vi.useRealTimers();
  });

  it("is busy from the click on, and idle with the reply's number once it is painted", async () => {
    answer(model.lastSent());
    await settle();
    expect([attribute("status"), shown(), attribute("stale")]).toEqual(["idle", "L0H0", "false"]);
    const before = Number(attribute("seq"));

    session.select({ layer: 1, head: 4 });
    expect(attribute("status")).toBe("busy");
    expect(model.lastSent()).toMatchObject({ args: { layer: 1, head: 4 } });
    expect([shown(), attribute("stale")]).toEqual(["L0H0", "true"]);

    answer(model.lastSent());
    await settle();
    expect([attribute("status"), shown()]).toEqual(["idle", "L1H4"]);
    expect(Number(attribute("seq"))).toBeGreaterThan(before);
  });

  it("paints only the last of many clicks, whatever the order of replies", async () => {
    for (let head = 1; head <= 20; head++) session.select({ head });
    const requests = model.requests("probe/pattern");
    const last = requests.at(-1);
    const painted: (string | null)[] = [];
    if (last) answer(last);
    await settle();
    for (const request of requests.slice(0, -1).reverse()) {
      answer(request);
      await settle();
      painted.push(shown());
    }
    expect(new Set(painted)).toEqual(new Set(["L0H20"]));
    expect(attribute("status")).toBe("idle");
  });

  it("asks again when the session's revision grows, keeping the old result meanwhile", async () => {
    answer(model.lastSent());
    await settle();
    model.set("state", state(2));
    expect([attribute("status"), shown()]).toEqual(["busy", "L0H0"]);
    answer(model.lastSent(), 2);
    await settle();
    expect(attribute("status")).toBe("idle");
    expect(view.paintedRevision.value).toBe(2);
  });

  it("does not ask for numbers it already has when the state arrives after the reply", async () => {
    answer(model.lastSent(), 2);
    await settle();
    const before = model.sent.length;
    model.set("state", state(2));
    expect(model.sent).toHaveLength(before);
    expect(attribute("status")).toBe("idle");
  });

  it("shows an error, keeps the last result and recovers", async () => {
    answer(model.lastSent());
    await settle();
    session.select({ layer: 2 });
    model.fail(model.lastSent(), { type: "RuntimeError", message: "broken", hint: "mend it" });
    await settle();
    expect([attribute("status"), shown()]).toEqual(["error", "L0H0"]);
    expect(view.error.value).toMatchObject({ message: "broken" });
    view.retry();
    expect(attribute("status")).toBe("busy");
    answer(model.lastSent());
    await settle();
    expect([attribute("status"), shown(), view.error.value]).toEqual(["idle", "L2H0", null]);
  });

  it("says it waits when the kernel is silent", async () => {
    await vi.advanceTimersByTimeAsync(1000);
    expect(attribute("status")).toBe("waiting");
    answer(model.lastSent());
    await settle();
    expect(attribute("status")).toBe("idle");
  });

  it("stops on request and can go on", async () => {
    view.stop();
    await settle();
    expect([attribute("status"), view.stopped.value]).toEqual(["idle", "stopped"]);
    expect(model.lastSent()).toMatchObject({ kind: "cancel" });
    view.retry();
    expect([attribute("status"), view.stopped.value]).toEqual(["busy", ""]);
  });

  it("says that an interrupt of the kernel stopped it, and can go on", async () => {
    model.fail(model.lastSent(), { type: "Interrupted", message: "Interrupted", hint: "" });
    await settle();
    expect([attribute("status"), view.stopped.value]).toEqual(["idle", "interrupted"]);
    expect(view.error.value).toBeNull();
    view.retry();
    expect([attribute("status"), view.stopped.value]).toEqual(["busy", ""]);
  });

  it("shows a toggle at once, and takes it back when the kernel refuses", async () => {
    answer(model.lastSent());
    await settle();
    session.toggleAblation(view, "L0H1");
    expect(session.changes.ablated.value.has("L0H1")).toBe(true);
    expect(attribute("status")).toBe("busy");
    model.fail(model.lastRequest("session/set_ablated"), {
      type: "ValueError",
      message: "cannot",
      hint: "",
    });
    await settle();
    expect(session.changes.ablated.value.has("L0H1")).toBe(false);
    expect(view.error.value).toMatchObject({ message: "cannot" });
  });

  it("asks for the new numbers together with a change, and stays busy until they are painted", async () => {
    answer(model.lastSent());
    await settle();
    const change = view.change(setAblated, ABLATE);
    expect(model.sent.slice(-2).map(({ method }) => method)).toEqual([
      "session/set_ablated",
      "probe/pattern",
    ]);
    const question = model.lastSent();
    model.reply(model.lastRequest("session/set_ablated"), {}, 2);
    expect(await change).toBe(true);
    expect(attribute("status")).toBe("busy");
    answer(question, 2);
    await settle();
    expect(attribute("status")).toBe("busy");
    const item = {
      key: "k",
      label: "L0H1",
      component: "L0H1",
      kind: "zero",
      detail: "",
      enabled: true,
    };
    model.set("state", { ...state(2), interventions: [item] });
    await settle();
    expect(session.changes.ablated.value.has("L0H1")).toBe(true);
    expect(attribute("status")).toBe("idle");
    expect(model.lastSent()).toBe(question);
  });

  it("keeps the numbers it has when a change is refused", async () => {
    answer(model.lastSent());
    await settle();
    const change = view.change(setAblated, ABLATE);
    const question = model.lastSent();
    model.fail(model.lastRequest("session/set_ablated"), {
      type: "ValueError",
      message: "cannot",
      hint: "",
    });
    expect(await change).toBe(false);
    answer(question, 1);
    await settle();
    expect(view.paintedRevision.value).toBe(1);
    const again = view.change(setAblated, { ...ABLATE, component: "L0H2" });
    expect(model.lastSent()).toMatchObject({ method: "probe/pattern" });
    expect(model.lastSent()).not.toBe(question);
    model.reply(model.lastRequest("session/set_ablated"), {}, 2);
    expect(await again).toBe(true);
  });

  it("keeps a snapshot after it came to rest, and shows it when reopened without a kernel", async () => {
    answer(model.lastSent());
    await vi.advanceTimersByTimeAsync(1100);
    const snapshot = model.get("snapshot");
    expect(JSON.stringify(snapshot)).toContain("pattern");
    const saves = model.saves;
    await vi.advanceTimersByTimeAsync(5000);
    expect(model.saves).toBe(saves);

    render(null, root);
    mount({ snapshot });
    expect([attribute("status"), shown()]).toEqual(["snapshot", "L0H0"]);
    await vi.advanceTimersByTimeAsync(3000);
    expect(attribute("status")).toBe("snapshot");
    answer(model.lastSent());
    await settle();
    expect(attribute("status")).toBe("idle");
  });

  it("sends the selection once, follows others and ignores late echoes of its own", async () => {
    session.select({ head: 1 });
    session.select({ head: 2 });
    const echo = (head: number) =>
      model.set("selection", { layer: 0, head, query_pos: null, key_pos: null, prompt: 0 });
    echo(1);
    expect(session.selection.value.head).toBe(2);
    echo(7);
    expect(session.selection.value.head).toBe(7);
  });

  it("leaves nothing behind", () => {
    render(null, root);
    expect(model.lastSent()).toMatchObject({ kind: "cancel" });
    abort.abort();
    expect(model.listenerCount).toBe(0);
  });
});

it("OwnWrites forgets after a second", () => {
  const own = new OwnWrites();
  own.wrote("a", 0);
  own.wrote("b", 10);
  expect(own.isStale("a", 500)).toBe(true);
  expect(own.isStale("b", 500)).toBe(false);
  expect(own.isStale("c", 500)).toBe(false);
  expect(own.isStale("a", 1500)).toBe(false);
});
