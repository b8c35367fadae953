import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { flush } from "../../state/flush";
import { TokenStrip, type TokenStripProps } from "./tokens";

const tokens = Array.from({ length: 1024 }, (_, id) => ({ id, text: `t${id}` }));

describe("a strip of tokens", () => {
  let root: HTMLElement;
  let props: TokenStripProps;
  const show = (change: Partial<TokenStripProps> = {}) => {
    props = { ...props, ...change };
    flush(() => render(<TokenStrip {...props} />, root));
  };
  const all = () => [...root.querySelectorAll<HTMLElement>("[role=option]")];
  const at = (pos: number): HTMLElement => {
    const found = all()[pos];
    if (!found) throw new Error(`no token at ${pos}`);
    return found;
  };
  const stops = () => all().flatMap((token, pos) => (token.tabIndex === 0 ? [pos] : []));
  const press = (key: string) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    document.activeElement?.dispatchEvent(event);
    return event.defaultPrevented;
  };
  const focused = () => Number(document.activeElement?.getAttribute("data-pos"));

  beforeEach(() => {
    root = document.createElement("div");
    document.body.append(root);
    props = {
      label: "tokens",
      tokens,
      picked: null,
      onPick: vi.fn((picked: number | null) => show({ picked })),
      onHover: vi.fn(),
    };
    show();
  });
  afterEach(() => {
    render(null, root);
    root.remove();
  });

  it("has one stop for the Tab key, however long it is, which follows the focus", () => {
    expect(stops()).toEqual([0]);
    at(0).focus();
    press("End");
    expect([focused(), stops()]).toEqual([1023, [1023]]);
    press("ArrowLeft");
    expect([focused(), stops()]).toEqual([1022, [1022]]);
    press("Home");
    expect([focused(), stops()]).toEqual([0, [0]]);
    show({ picked: 700 });
    expect(stops()).toEqual([700]);
    show({ picked: null, tokens: tokens.slice(0, 3) });
    expect(stops()).toEqual([0]);
  });

  it("picks with a click and lets go with another, or with Escape", () => {
    at(5).click();
    expect(at(5).getAttribute("aria-selected")).toBe("true");
    expect(stops()).toEqual([5]);
    at(5).click();
    expect(all().filter((token) => token.ariaSelected === "true")).toEqual([]);
    at(6).click();
    at(6).focus();
    expect(press("Escape")).toBe(true);
    expect(props.onPick).toHaveBeenLastCalledWith(null);
    // Nothing is picked any more: Escape is the view's.
    expect(press("Escape")).toBe(false);
  });

  it("takes the pick along from token to token, and leaves it where the focus is elsewhere", () => {
    at(5).click();
    at(5).focus();
    press("ArrowRight");
    expect(props.picked).toBe(6);
    at(9).focus();
    press("ArrowRight");
    expect([focused(), props.picked]).toEqual([10, 6]);
  });

  it("shows the token under mouse or focus as hovered", () => {
    at(3).dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(props.onHover).toHaveBeenLastCalledWith(3, at(3));
    root.querySelector("[role=listbox]")?.dispatchEvent(new Event("pointerleave"));
    expect(props.onHover).toHaveBeenLastCalledWith(null, null);
    at(4).focus();
    expect(props.onHover).toHaveBeenLastCalledWith(4, at(4));
  });

  it("names each token with its position and what is known of it", () => {
    show({
      look: (pos) => ({ words: `loss ${pos}`, value: pos === 2 ? Number.NaN : pos / 2 }),
      marks: { key: 3, other: null },
    });
    expect(at(2).getAttribute("aria-label")).toBe("t2 2, loss 2");
    expect(at(2).dataset.value).toBe("");
    expect(at(3).dataset).toMatchObject({ pos: "3", tokenId: "3", value: "1.5", key: "true" });
    expect(root.querySelectorAll("[data-key], [data-other]")).toHaveLength(1);
  });

  it("says and writes the names that positions have", () => {
    const named = { names: "IO", begins: true };
    show({ look: (pos) => (pos === 3 ? { named, words: "loss 1" } : {}) });
    expect(at(3).getAttribute("aria-label")).toBe("t3 3, IO, loss 1");
    expect(at(3).dataset.span).toBe("IO");
    expect(at(3).querySelector(".lw-token-span")?.textContent).toBe("IO");
    expect(root.querySelectorAll("[data-span], .lw-token-span")).toHaveLength(2);
  });

  it("marks what was put in front of the prompt's text, and says so", () => {
    show({ tokens: tokens.slice(0, 3).map((token, pos) => ({ ...token, added: pos < 1 })) });
    expect(all().map((token) => token.dataset.added)).toEqual(["true", undefined, undefined]);
    expect(at(0).title).toContain("not in the prompt's text");
    expect(at(1).title).toBe("");
  });

  it("renders again only the tokens that a hover touches", () => {
    const look = vi.fn(() => ({}));
    show({ look });
    look.mockClear();
    show({ marks: { other: 70 } });
    expect(look.mock.calls.length).toBe(64);
  });
});
