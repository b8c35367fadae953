"""Limits of a model are said where its numbers are shown: once in each view's head."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import lens_widgets as lw
from tests.every_view import EVERY_VIEW
from tests.models import ARCHITECTURES, PATTERN_IS_A_COPY, fresh, tiny
from tests.unit import reference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, rows

WHOLE_FORWARD = "Every change takes a whole forward"
NO_SUM = "Direct effects are refused"
PATTERN_EDITS = "Edits of attention patterns do nothing"


def _session(model: Any) -> lw.Session:
    return lw.Session(model, PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)


@pytest.mark.parametrize("name", [a for a in ARCHITECTURES if a not in PATTERN_IS_A_COPY])
def test_a_model_without_limits_has_no_notes(name: str) -> None:
    assert _session(tiny(name)).notes == []


@pytest.mark.parametrize("name", PATTERN_IS_A_COPY)
def test_a_model_that_ignores_edits_of_its_patterns_says_so(name: str) -> None:
    (note,) = _session(tiny(name)).notes
    assert note.startswith(PATTERN_EDITS)


def _outside_its_blocks() -> Any:
    """GPT-2 whose logits are scaled once more after everything that can be run by itself."""
    model = fresh("gpt2")
    model.original_model.register_forward_hook(_scaled)
    return model


def _scaled(_module: Any, _args: Any, output: Any) -> Any:
    output.logits = 1.5 * output.logits
    return output


def test_a_model_whose_forward_is_more_than_its_blocks_says_so_and_is_right() -> None:
    session = _session(_outside_its_blocks())
    assert not session.facts.resumable
    note, effects = session.notes
    assert note.startswith(WHOLE_FORWARD)
    assert effects.startswith(NO_SUM)
    edit = reference.write("blocks.1.attn.hook_z", 0.0, head=2)
    expected = reference.logits(session.model, rows(session)[0], [edit])
    got = session.run([lw.Ablate("L1H2")])
    torch.testing.assert_close(got.logits[0], expected, atol=1e-5, rtol=0)
    correct, wrong = (expected[-1, token].item() for token in ANSWER_IDS[0])
    assert got.metric[0].item() == pytest.approx(correct - wrong, abs=1e-5)
    effect = (got.metric - session.baseline).mean().item()
    swept = lw.analysis.ablation_sweep(session).sel(layer=1, head=2)
    assert swept.item() == pytest.approx(effect, abs=1e-5)


@pytest.mark.parametrize("name", EVERY_VIEW)
def test_every_view_carries_the_notes(name: str) -> None:
    session = _session(tiny("opt"))
    view = getattr(lw, name)(session)
    assert view.info["notes"] == session.notes
    assert len(session.notes) == 1
    view.close()


def test_notes_follow_a_refresh() -> None:
    model = fresh("gpt2")
    session = _session(model)
    view = lw.AttentionView(session)
    assert view.info["notes"] == []
    model.to(torch.float64)
    hook = model.original_model.register_forward_hook(_scaled)
    session.refresh()
    told = view.info["notes"]
    assert all(n.startswith(by) for n, by in zip(told, (WHOLE_FORWARD, NO_SUM), strict=True))
    hook.remove()
    view.close()
