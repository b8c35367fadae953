import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { flush } from "./flush";
import { isWithdrawn, Rpc, RpcError } from "./rpc";
import { FakeModel } from "./testing";

const prompt = { prompt: 0 };

describe("Rpc", () => {
  let model: FakeModel;
  let abort: AbortController;
  let rpc: Rpc;

  beforeEach(() => {
    vi.useFakeTimers();
    model = new FakeModel();
    abort = new AbortController();
    rpc = new Rpc(model, abort.signal);
  });
  afterEach(() => vi.useRealTimers());

  it("sends the request with its slot named for this page and resolves with the reply", async () => {
    const answer = rpc.send("tokens", 7, "tokens", prompt);
    const sent = model.lastSent();
    expect(sent).toMatchObject({ kind: "request", seq: 7, method: "tokens", args: prompt });
    expect(sent.slot).toBe(`${rpc.clientId}:tokens`);
    model.reply(sent, { text: "hello" });
    expect((await answer).result).toMatchObject({ text: "hello" });
  });

  it("lets only the newest request of a slot win, whatever the order of the replies", async () => {
    const first = rpc.send("tokens", 1, "tokens", prompt);
    const early = model.lastSent();
    const second = rpc.send("tokens", 2, "tokens", { prompt: 1 });
    const late = model.lastSent();
    await expect(first).rejects.toMatchObject({ type: "Superseded" });
    model.reply(late, { text: "second" });
    model.reply(early, { text: "first" });
    expect((await second).result).toMatchObject({ text: "second" });
  });

  it("asks again when it hears nothing, and not once it has heard something", async () => {
    const answer = rpc.send("tokens", 1, "tokens", prompt);
    const sent = model.lastSent();
    await vi.advanceTimersByTimeAsync(2_900);
    expect(model.sent).toEqual([sent]);
    await vi.advanceTimersByTimeAsync(200);
    expect(model.sent).toEqual([sent, sent]);
    model.receive({
      kind: "progress",
      id: sent.id,
      state: "computing",
      done: 0,
      total: 2,
      label: "",
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(model.sent).toEqual([sent, sent]);
    model.reply(sent, { text: "late" });
    expect((await answer).result).toMatchObject({ text: "late" });
  });

  it("keeps slots apart", async () => {
    const one = rpc.send("one", 1, "tokens", prompt);
    const message = model.lastSent();
    const two = rpc.send("two", 2, "tokens", prompt);
    model.reply(model.lastSent(), { text: "2" });
    model.reply(message, { text: "1" });
    expect((await one).result).toMatchObject({ text: "1" });
    expect((await two).result).toMatchObject({ text: "2" });
  });

  it("sends what one change asks for as one message, and reads answers that come as one", async () => {
    const messages: unknown[] = [];
    model.send = (content: unknown) => messages.push(content);
    const asked = flush(() => [
      rpc.send("one", 1, "tokens", prompt),
      rpc.send("two", 2, "tokens", { prompt: 1 }),
    ]);
    void rpc.send("three", 3, "tokens", { prompt: 2 });
    expect(messages).toMatchObject([
      { kind: "batch", messages: [{ args: { prompt: 0 } }, { args: { prompt: 1 } }] },
      { kind: "request", args: { prompt: 2 } },
    ]);
    const ids = (messages[0] as { messages: { id: string }[] }).messages.map(({ id }) => id);
    const replies = ids.map((id) => ({ kind: "reply", id, result: { of: id } }));
    const buffers = [Uint8Array.of(1), Uint8Array.of(2, 2), Uint8Array.of(3)];
    model.receive({ kind: "batch", messages: replies.reverse(), buffers: [1, 2] }, buffers);
    const [first, second] = await Promise.all(asked);
    expect([first?.result, second?.result]).toEqual([{ of: ids[0] }, { of: ids[1] }]);
    expect(second?.buffers.map((view) => view.getUint8(0))).toEqual([1]);
    expect(first?.buffers.map((view) => view.getUint8(0))).toEqual([2, 3]);
  });

  it("rejects with the kernel's error", async () => {
    const answer = rpc.send("tokens", 1, "tokens", prompt);
    model.fail(model.lastSent(), { type: "ValueError", message: "no", hint: "do this" });
    const error = await answer.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ type: "ValueError", message: "no", hint: "do this" });
    expect(isWithdrawn(error)).toBe(false);
  });

  it("cancels here at once and tells the kernel", async () => {
    const answer = rpc.send("tokens", 1, "tokens", prompt);
    const sent = model.lastSent();
    rpc.cancel("tokens");
    await expect(answer).rejects.toMatchObject({ type: "Cancelled" });
    expect(model.lastSent()).toEqual({ kind: "cancel", slot: sent.slot });
    const before = model.sent.length;
    rpc.cancel("tokens");
    expect(model.sent).toHaveLength(before);
  });

  it("passes progress on, and says it waits when the kernel is silent for a second", async () => {
    const seen: string[] = [];
    const onProgress = ({ state, done }: { state: string; done: number }) =>
      seen.push(`${state} ${done}`);
    void rpc.send("tokens", 1, "tokens", prompt, { onProgress });
    vi.advanceTimersByTime(999);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(seen).toEqual(["waiting 0"]);
    const sent = model.lastSent();
    model.receive({ ...sent, kind: "progress", state: "computing", done: 3, total: 8, label: "" });
    expect(seen).toEqual(["waiting 0", "computing 3"]);
  });

  it.each([
    ["DataView", () => new DataView(Uint8Array.of(1, 2, 3).buffer)],
    ["ArrayBuffer", () => Uint8Array.of(1, 2, 3).buffer],
    ["a view into a larger buffer", () => Uint8Array.of(0, 1, 2, 3, 4).subarray(1, 4)],
    ["an array of numbers, from VS Code", () => [1, 2, 3]],
  ])("reads buffers that come as %s", async (_name, make) => {
    const answer = rpc.send("tokens", 1, "tokens", prompt);
    const { id } = model.lastSent();
    model.receive({ kind: "reply", id, result: {} }, [make()]);
    const [view] = (await answer).buffers;
    expect(view?.byteLength).toBe(3);
    expect([0, 1, 2].map((i) => view?.getUint8(i))).toEqual([1, 2, 3]);
  });

  it("refuses what is too large to send", async () => {
    const text = "x".repeat(70_000);
    const args = { prompt: 0, text, correct: "", wrong: "", corrupted: null };
    await expect(rpc.send("edit", 1, "edit_prompt", args)).rejects.toMatchObject({
      message: expect.stringContaining("64000"),
    });
    expect(model.sent).toHaveLength(0);
  });

  it("leaves no listener and no open promise behind", async () => {
    const answer = rpc.send("tokens", 1, "tokens", prompt);
    abort.abort();
    await expect(answer).rejects.toMatchObject({ type: "Cancelled" });
    expect(model.listenerCount).toBe(0);
    await expect(rpc.send("tokens", 2, "tokens", prompt)).rejects.toBeInstanceOf(RpcError);
  });
});
