import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Question } from "../../wire/question";
import { flush } from "./flush";
import { ViewHandle } from "./handle";
import { NO_STATE } from "./parse";
import { useAnswer } from "./resource";
import { Rpc } from "./rpc";
import { ViewSession } from "./session";
import { FakeModel } from "./testing";

const maps: Question<{ into: string }, { numbers: never; texts: never; attrs: { into: string } }> =
  { method: "probe/maps" };
const SWEEP = { sweep: true } as const;

function Probe({ view }: { view: ViewHandle }) {
  const { data } = useAnswer(view, maps, { into: "clean" }, SWEEP);
  return <p data-status={view.status.value}>{data?.attrs.into ?? "nothing"}</p>;
}

describe("a sweep of a view that is not on screen", () => {
  let model: FakeModel;
  let abort: AbortController;
  let view: ViewHandle;
  let root: HTMLElement;
  const status = () => root.querySelector("p")?.dataset.status;
  const settle = () => vi.advanceTimersByTimeAsync(0);
  const near = (on: boolean) =>
    flush(() => {
      view.near.value = on;
    });
  const revise = (revision: number) =>
    model.set("state", { ...NO_STATE, revision, prompts_revision: 1 });
  const asked = () => model.requests("probe/maps").length;
  const cancels = () => model.sent.filter(({ kind }) => kind === "cancel").length;

  beforeEach(() => {
    vi.useFakeTimers();
    model = new FakeModel({ state: { ...NO_STATE, revision: 1, prompts_revision: 1 } });
    abort = new AbortController();
    const rpc = new Rpc(model, abort.signal);
    view = new ViewHandle("probe", new ViewSession(model, abort.signal, rpc), rpc);
    view.near.value = false;
    root = document.createElement("div");
    flush(() => render(<Probe view={view} />, root));
  });
  afterEach(() => {
    render(null, root);
    abort.abort();
    vi.useRealTimers();
  });

  it("waits until somebody scrolls to it", async () => {
    expect([asked(), status()]).toEqual([0, "offscreen"]);
    near(true);
    expect([asked(), status()]).toEqual([1, "busy"]);
    model.answer(model.lastSent(), { into: "clean" }, 1);
    await settle();
    expect([root.textContent, status()]).toEqual(["clean", "idle"]);
  });

  it("goes on when somebody scrolls away, but not for a state that nobody asks about any more", async () => {
    near(true);
    near(false);
    expect([asked(), cancels(), status()]).toEqual([1, 0, "busy"]);
    revise(2);
    expect([asked(), cancels(), status()]).toEqual([1, 1, "offscreen"]);
    revise(3);
    near(true);
    expect([asked(), status()]).toEqual([2, "busy"]);
  });

  it("is not asked for again when it is known", async () => {
    near(true);
    model.answer(model.lastSent(), { into: "clean" }, 1);
    await settle();
    near(false);
    near(true);
    expect([asked(), status()]).toEqual([1, "idle"]);
  });
});
