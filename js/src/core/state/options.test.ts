import { beforeEach, describe, expect, it } from "vitest";
import { OPTIONS } from "../../generated/attribution";
import { Rpc } from "./rpc";
import { ViewSession } from "./session";
import { FakeModel } from "./testing";
import { syncedTrait } from "./trait";

describe("options", () => {
  let model: FakeModel;
  let abort: AbortController;
  const session = (traits: Record<string, unknown>) => {
    model = new FakeModel(traits);
    abort = new AbortController();
    return new ViewSession(model, abort.signal, new Rpc(model, abort.signal));
  };

  it("start from the trait, or from what was declared where there is none", () => {
    const view = session({ by: "layer" });
    expect(view.option(OPTIONS.by).value).toBe("layer");
    for (const { name, initial, is } of Object.values(OPTIONS)) {
      expect(is(initial), name).toBe(true);
    }
    expect(view.option(OPTIONS.read_at).value).toBe(OPTIONS.read_at.initial);
  });

  it("do not follow what cannot be their value", () => {
    const view = session({ by: "layer" });
    const by = view.option(OPTIONS.by);
    model.set("by", "some");
    expect(by.value).toBe("layer");
    model.set("by", "head");
    expect(by.value).toBe("head");
  });
});

describe("a trait that may be null", () => {
  const parse = (raw: unknown) => (typeof raw === "string" || raw === null ? raw : undefined);
  let model: FakeModel;
  beforeEach(() => {
    model = new FakeModel({ head: null });
  });

  it("is written and followed, to null and back", async () => {
    const abort = new AbortController();
    const head = syncedTrait<string | null>(model, "head", parse, "missing", abort.signal);
    expect(head.value).toBeNull();
    head.value = "L1H4";
    await Promise.resolve();
    expect([model.traits.head, model.saves]).toEqual(["L1H4", 1]);
    model.set("head", "L0H0");
    expect(head.value).toBe("L0H0");
    model.set("head", null);
    abort.abort();
    expect(model.listenerCount).toBe(0);
  });
});
