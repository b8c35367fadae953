"""1,024 tokens and 144 heads: 600 MB of patterns, of which a page gets less than 2 MB at first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.analysis.attention.patterns import attention_patterns
from lens_widgets.engine import probe
from lens_widgets.engine.probe import CAPTURE_BYTES
from lens_widgets.engine.trace import FETCHED_BYTES
from lens_widgets.views import attention
from tests.models import tiny
from tests.unit import reference
from tests.unit.cases import PROMPTS, attention_only, rows
from tests.unit.page import Page
from tests.unit.spies import spy

N_POS = 1024
SHOWN = {"prompt": 0, "show": "current", "attention_mode": "pattern"}
HEAD = {**SHOWN, "layer": 0, "head": 0, "head_average": "none"}


@pytest.fixture(scope="module")
def session() -> lw.Session:
    return attention_only(12, 12, N_POS)


@pytest.fixture
def blocks(session: lw.Session) -> Iterator[list[int]]:
    """The layers of all blocks that are run."""
    run: list[int] = []
    handles = [
        block.register_forward_pre_hook(spy(lambda *_, layer=layer: run.append(layer)))
        for layer, block in enumerate(session.model.blocks)
    ]
    yield run
    for handle in handles:
        handle.remove()


def _blocked(values: np.ndarray[Any, Any], pool: int) -> np.ndarray[Any, Any]:
    """The value of largest magnitude of each ``pool`` x ``pool`` cells, NaN where there is none."""
    side = -(-values.shape[-1] // pool)
    out = np.full((side, side), np.nan)
    for query, key in np.ndindex(side, side):
        block = values[query * pool : (query + 1) * pool, key * pool : (key + 1) * pool]
        known = block[~np.isnan(block)]
        if known.size:
            out[query, key] = known[np.abs(known).argmax()]
    return out


def test_what_a_page_gets_before_a_head_is_opened_is_small_and_was_made_by_the_run(
    session: lw.Session, blocks: list[int]
) -> None:
    page = Page(session)
    result = page.dataset("attention/patterns", **SHOWN)
    assert blocks == [], "the thumbnails were pooled while the model ran"
    page.dataset("attention/pattern", **HEAD)
    results = [message["result"] for message in page.messages]
    sent = results[-1]["variables"]["pattern"]["values"]
    assert sent["dtype"] == "uint8", "what is opened by itself is rounded to bytes"
    sizes = [len(buffer) for buffers in page.buffers.values() for buffer in buffers]
    assert sum(sizes) + len(json.dumps(results)) < 1_500_000
    pattern = reference.activation(session.model, session.tokens, "blocks.7.attn.hook_pattern")
    expected = _blocked(pattern[5].numpy(), result.attrs["pool"])
    np.testing.assert_allclose(result["patterns"][7, 5], expected, atol=1 / 510 + 1e-6)


def test_opening_a_head_runs_its_block_alone(session: lw.Session, blocks: list[int]) -> None:
    beyond: list[int] = []
    hook_z = session.model.blocks[9].attn.hook_z
    handle = hook_z.register_forward_hook(spy(lambda *_: beyond.append(1)))
    try:
        Page(session).dataset("attention/pattern", **{**HEAD, "layer": 9, "head": 3})
    finally:
        handle.remove()
    assert blocks == [9]
    assert beyond == [], "no further than the pattern"


def test_the_figure_of_a_head_runs_its_block_alone(session: lw.Session, blocks: list[int]) -> None:
    view = lw.AttentionView(session)
    session.selection.update(layer=4, head=2, stripe="previous")
    figure = view.figure()
    assert blocks == [4]
    assert np.shape(figure.data[0].z) == (N_POS, N_POS)
    assert session.run().n_bytes < CAPTURE_BYTES
    session.selection.update(stripe=None)
    view.close()


def test_reading_every_pattern_leaves_memory_within_bounds(session: lw.Session) -> None:
    page = Page(session)
    told = page.answer(page.send("attention/pattern", **{**HEAD, "head_average": "all"}))
    assert told["result"]["variables"]["pattern"]["values"]["shape"] == [512, 512]
    assert session.run().n_bytes < CAPTURE_BYTES + FETCHED_BYTES < 4 * 144 * N_POS**2


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few words are a long prompt: nothing is kept, and a message holds few cells."""
    monkeypatch.setattr(probe, "CAPTURE_BYTES", 0)
    monkeypatch.setattr(attention, "MAX_REPLY_BYTES", 120)


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("name", ["gpt2", "llama", "bloom", "native"])
@pytest.mark.parametrize("mode", ["pattern", "value"])
@pytest.mark.parametrize("prompts", [PROMPTS, PROMPTS[:1]])
@pytest.mark.parametrize("show", ["baseline", "current", "difference"])
def test_thumbnails_of_any_prompts_are_the_largest_of_each_block(
    name: str, mode: Any, prompts: list[str], show: Any
) -> None:
    session = lw.Session(tiny(name), prompts)
    session.interventions.add(lw.Ablate("L0H1"))
    page = Page(session)
    for prompt in range(len(prompts)):
        result = page.dataset("attention/patterns", prompt=prompt, show=show, attention_mode=mode)
        assert result.attrs["pool"] > 1
        found = result["patterns"].values
        expected = attention_patterns(session, show, prompt, mode=mode).values
        tolerance = np.abs(expected).max() / 254 + 1e-5
        for layer, head in np.ndindex(2, 4):
            blocked = _blocked(expected[layer, head], result.attrs["pool"])
            # Magnitudes: a row of a difference sums to 0, so that its ends can be equally far.
            blocked = np.abs(blocked)
            np.testing.assert_allclose(np.abs(found[layer, head]), blocked, atol=tolerance)


@pytest.mark.usefixtures("little")
def test_activations_fetched_a_block_at_a_time_are_those_of_the_whole_run() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    edit = reference.write("blocks.0.attn.hook_z", 0.0, head=1)
    run = session.run([lw.Ablate("L0H1"), lw.Ablate("L1.mlp")])
    for name in ("blocks.0.hook_mlp_out", "blocks.1.attn.hook_z", "blocks.1.hook_mlp_out"):
        for row, tokens in enumerate(rows(session)):
            mlp = reference.write("blocks.1.hook_mlp_out", 0.0)
            expected = reference.activation(session.model, tokens, name, [edit, mlp])
            got = run.activation(name)[row, : tokens.shape[1]]
            torch.testing.assert_close(got, expected, atol=2e-5, rtol=0)
