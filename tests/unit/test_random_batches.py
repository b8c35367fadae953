"""Random batches give, prompt for prompt, what each prompt gives alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import BOS, D_VOCAB, N_CTX, PAD, tiny
from tests.unit import reference

MODELS = (
    "gpt2", "llama", "neox", "gemma2", "olmo2", "bloom", "opt", "mistral", "gptj", "native"
)  # fmt: skip

TOKENS = st.one_of(st.sampled_from([BOS, PAD]), st.integers(0, D_VOCAB - 1))
LENGTHS = st.one_of(st.integers(1, 6), st.integers(1, N_CTX))


@dataclass(frozen=True)
class Batch:
    """Prompts, and the same ones padded to one length with a mask of what is theirs."""

    prompts: list[list[int]]
    rows: list[list[int]]
    mask: list[list[int]]

    @property
    def is_plain(self) -> bool:
        """Whether the ids alone settle what is padding: it is at one end, and no prompt has the
        padding token at an end of its own."""
        ends = {mask.index(1) for mask in self.mask}, {mask[::-1].index(1) for mask in self.mask}
        own = any(PAD in (prompt[0], prompt[-1]) for prompt in self.prompts)
        return len(self.prompts) > 1 and not own and {0} in ends


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    sides = draw(st.sampled_from(["left", "right", "both"]))
    prompts = [
        draw(st.lists(TOKENS, min_size=length, max_size=length))
        for length in draw(st.lists(LENGTHS, min_size=1, max_size=4))
    ]
    width = max(map(len, prompts)) + draw(st.integers(0, 2))
    rows, masks = [], []
    for prompt in prompts:
        room = width - len(prompt)
        before = {"left": room, "right": 0}.get(sides)
        before = draw(st.integers(0, room)) if before is None else before
        rows.append([PAD] * before + prompt + [PAD] * (room - before))
        masks.append([0] * before + [1] * len(prompt) + [0] * (room - before))
    return Batch(prompts, rows, masks)


def assert_each_alone(session: lw.Session, prompts: list[list[int]]) -> None:
    assert session.prompt_set.rows() == prompts
    logits = session.run().logits
    for index, prompt in enumerate(prompts):
        expected = reference.logits(session.model, torch.tensor([prompt]))
        got = logits[index, : len(prompt)]
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
        answer = reference.logit_diff(expected, (30, 31))
        assert session.baseline[index].item() == pytest.approx(answer, abs=2e-4)


@pytest.mark.parametrize("name", MODELS)
@settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(batch=batches())
def test_a_masked_batch_gives_what_each_prompt_gives_alone(name: str, batch: Batch) -> None:
    session = lw.Session(
        tiny(name), torch.tensor(batch.rows), answers=(30, 31), attention_mask=batch.mask
    )
    assert session.notes == tiny_notes(name)
    assert_each_alone(session, batch.prompts)


@pytest.mark.parametrize("name", MODELS)
@settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(batch=batches())
def test_a_batch_without_mask_is_right_or_asks_or_says_what_it_took(
    name: str, batch: Batch
) -> None:
    refused = ""
    try:
        session = lw.Session(tiny(name), torch.tensor(batch.rows), answers=(30, 31))
    except InputError as error:
        refused = str(error)
    if refused:
        assert not batch.is_plain
        # A row by itself can be too long with its padding; else what is padding is asked for.
        assert "attention_mask=" in refused or "Shorten it" in refused
        return
    found = session.prompt_set.rows()
    said = any("as padding" in note or "part of the prompt" in note for note in session.notes)
    if batch.is_plain:
        assert found == batch.prompts
    if found != batch.prompts or found != batch.rows:
        assert said
    assert_each_alone(session, found)


def tiny_notes(name: str) -> list[str]:
    """What is to be said of the model, whatever the prompts are."""
    return lw.Session(tiny(name), [[5, 6]]).notes
