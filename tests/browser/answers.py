"""What the kernel's own questions answer, for pages that run without one.

A page of the harness describes its session: so many layers and heads, prompts as texts of tokens,
interventions. The same session is made here on a tiny random model, and the real questions are
asked of it: what a page is shown in these tests has the shape and the checks of the real thing.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import torch
import xarray as xr
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

import lens_widgets as lw
from lens_widgets.views.options import options_of
from lens_widgets.views.registry import METHODS, package_views
from lens_widgets.wire.dataset import encode
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.models import native
from tests.stores import store_of_sentences

N_CTX = 1024
package_views()
CHOSEN = {
    "activation_browser": {"activation": "blocks.1.attn.hook_z"},
    "data": {"path": store_of_sentences()},
}
"""What somebody has chosen of views that show nothing before."""


def answer(described: dict[str, Any], method: str, args: dict[str, Any]) -> dict[str, Any]:
    """The message that answers: a reply with its buffers in base64, or an error."""
    if "real" in described:
        # Many pages ask a real model the same, which takes it a while.
        return _remembered(json.dumps([described, method, args]))
    return _answer(described, method, args)


@cache
def _remembered(asked: str) -> dict[str, Any]:
    described, method, args = json.loads(asked)
    return _answer(described, method, args)


def _answer(described: dict[str, Any], method: str, args: dict[str, Any]) -> dict[str, Any]:
    try:
        dataset = ask(described, method, args)
    except ValueError as error:
        told = {
            "type": type(error).__name__,
            "message": getattr(error, "message", str(error)),
            "hint": getattr(error, "hint", ""),
        }
        return {"kind": "error", "error": told}
    result, buffers = encode(dataset, MAX_REPLY_BYTES)
    return {
        "kind": "reply",
        "result": result,
        "buffers": [base64.b64encode(buffer).decode() for buffer in buffers],
    }


def ask(described: dict[str, Any], method: str, args: dict[str, Any]) -> xr.Dataset:
    """The dataset itself: what a test compares the screen with."""
    question = METHODS[method]
    session = session_of(described)
    items = [_intervention(item) for item in described["interventions"] if item["enabled"]]
    return question.answer(session.with_interventions(items), question.check(args))


def defaults(view: str) -> dict[str, Any]:
    """The options that a view starts from; nothing of what is no view of the package."""
    found = package_views().get(view)
    declared = {} if found is None else {n: o.default for n, o in options_of(found).items()}
    return declared | CHOSEN.get(view, {})


def session_of(described: dict[str, Any]) -> lw.Session:
    if "real" in described:
        from tests.browser.real_sessions import real_session

        return real_session(described["real"])
    return made_session(json.dumps(_lasting(described)))


def _lasting(described: dict[str, Any]) -> dict[str, Any]:
    names = ("n_layers", "n_heads", "prompts", "answers", "vocabulary")
    return {name: described[name] for name in names}


def _intervention(item: dict[str, Any]) -> Any:
    cell = item.get("cell")
    if "edge" in item:
        return lw.Cut(**item["edge"], kind=item["kind"])
    if cell is None:
        return lw.Ablate(item["component"], item["kind"])
    positions = None if cell["pos"] is None else (cell["pos"],)
    if cell["node"] == "z":
        return lw.Patch(f"L{cell['layer']}H{cell['head']}", positions)
    where = "attn." if cell["head"] is not None else ""
    hook = f"blocks.{cell['layer']}.{where}hook_{cell['node']}"
    return lw.Patch(hook, positions, head=cell["head"])


@cache
def made_session(lasting: str) -> lw.Session:
    """A session of a tiny random model of the sizes and prompts described, as JSON."""
    described = json.loads(lasting)
    texts: list[str] = described["vocabulary"]
    model = _model(described["n_layers"], described["n_heads"], tuple(texts))
    index = {text: i for i, text in enumerate(texts)}
    rows = [[index[text] for text in row] for row in described["prompts"]]
    pair = (index["·Mary"], index["·John"])
    partners = [_corrupted(row, pair) for row in rows]

    def given(these: list[list[int]]) -> Any:
        if len({len(row) for row in these}) == 1:
            return torch.tensor(these)
        return [model.tokenizer.decode(row[1:]) for row in these]

    return lw.Session(
        model,
        given(rows),
        answers=[tuple(index[text] for text in pair) for pair in described["answers"]],
        corrupted=given(partners),
        metric="logit_diff",
    )


def _corrupted(row: list[int], pair: tuple[int, int]) -> list[int]:
    """The names exchanged; a prompt without them gets one after its first token: a partner that
    is no different leaves maps of patches nothing to restore."""
    swapped = dict(zip(pair, reversed(pair), strict=True))
    partner = [swapped.get(token, token) for token in row]
    return partner if partner != row else [*row[:1], pair[0], *row[2:]]


@cache
def _model(n_layers: int, n_heads: int, texts: tuple[str, ...]) -> Any:
    """Shown texts are the words: the middle dot is the space in front of them."""
    words = {text.replace("·", "Ġ"): i for i, text in enumerate(texts)}
    tokenizer = Tokenizer(WordLevel(words, unk_token=next(iter(words))))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<bos>",
        pad_token="<bos>",
        clean_up_tokenization_spaces=False,
    )
    wrapped.init_kwargs.setdefault("name_or_path", "")
    wrapped.add_bos_token = True  # type: ignore[misc]  # It has a setter, of another name.
    return native(
        wrapped,
        n_layers=n_layers,
        n_heads=n_heads,
        d_model=32,
        d_head=8,
        d_mlp=16,
        n_ctx=N_CTX,
        d_vocab=len(words),
        act_fn="gelu",
        normalization_type="LN",
    )
