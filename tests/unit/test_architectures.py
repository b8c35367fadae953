"""Every architecture: what a session says of it is right against Hugging Face's own forward, or is
refused in words; and the table of what works where, in the docs, is what is found here."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.architecture_table import PAGE, row_of, rows_of
from tests.architectures import HUGGING_FACE, NOT_BUILT, build
from tests.unit import reference
from tests.unit.every_question import ask_everything, session_of

A = lw.analysis
ANSWER = (30, 31)

PLAIN = "LlamaForCausalLM"


def test_every_architecture_is_built_or_it_is_said_why_not() -> None:
    assert set(HUGGING_FACE) | set(NOT_BUILT) == set(SUPPORTED_ARCHITECTURES)
    assert not set(HUGGING_FACE) & set(NOT_BUILT)


@pytest.fixture(params=sorted(HUGGING_FACE))
def session(request: pytest.FixtureRequest) -> Iterator[lw.Session]:
    made = session_of(build(request.param))
    yield made
    made.close()
    gc.collect()


def test_numbers_are_those_of_hugging_face(session: lw.Session, request: Any) -> None:
    model = session.model
    expected = []
    for row, length in enumerate(session.prompt_set.lengths.tolist()):
        with torch.no_grad():
            logits = model.original_model(session.tokens[row, :length][None], use_cache=False)[0]
        expected.append(reference.logit_diff(logits[0], ANSWER))
    size = max(1.0, *map(abs, expected))
    np.testing.assert_allclose(session.baseline.numpy(), expected, rtol=0, atol=1e-4 * size)
    try:
        parts = A.attribution(session, by="component", per_prompt=True)
    except InputError:
        assert session.facts.no_sum, "what adds up is not refused"
    else:
        np.testing.assert_allclose(
            parts.sum("component").values, expected, rtol=0, atol=1e-3 * size
        )
        lens = A.lens_path(session, list(ANSWER), prompt=0)["logit"].sel(stage="final_post")
        assert float(lens[0] - lens[1]) == pytest.approx(expected[0], abs=1e-3 * size)
    _assert_ablations_are_as_a_hook_finds_them(session)
    name = request.node.callspec.params["session"]
    assert row_of(session) == rows_of(PAGE.read_text(encoding="utf-8"))[name], (
        "run `python -m tests.architecture_table`"
    )


def _assert_ablations_are_as_a_hook_finds_them(session: lw.Session) -> None:
    """Of one head and of the MLP of each layer, each by one hook on one prompt alone."""
    model, tokens = session.model, session.tokens
    row, length = 0, int(session.prompt_set.lengths[0])
    alone = tokens[row, :length][None]
    before = reference.logit_diff(reference.logits(model, alone), ANSWER)
    for over, hook, head in (("head", "attn.hook_z", 1), ("mlp", "hook_mlp_out", None)):
        try:
            effects = A.ablation_sweep(session, over=over, per_prompt=True)  # type: ignore[arg-type]
        except InputError:
            continue
        for layer in range(session.facts.n_layers):
            got = effects.sel(prompt=row, layer=layer)
            got = got if head is None else got.sel(head=head)
            if np.isnan(got):
                assert f"blocks.{layer}.{hook}" not in session.facts.hooks
                continue
            edit = reference.write(f"blocks.{layer}.{hook}", 0.0, head=head)
            after = reference.logit_diff(reference.logits(model, alone, [edit]), ANSWER)
            size = max(1.0, abs(before), abs(after))
            assert float(got) == pytest.approx(after - before, abs=1e-3 * size), (over, layer)


@pytest.mark.parametrize("name", sorted(HUGGING_FACE))
def test_every_question_is_answered_or_refused_in_words(name: str) -> None:
    session = session_of(build(name))
    explorer = session.explore()
    explorer.close()
    answered, refused = ask_everything(session)
    assert answered
    assert all(refused.values()), "a refusal says what to do instead"
    if name == PLAIN:
        assert set(refused) == {"pos_circuit"}
