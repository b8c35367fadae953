"""An edit of attention patterns either changes the logits or is refused; never silently ignored."""

from __future__ import annotations

import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, PATTERN_IS_A_COPY, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS

PATCH = lw.Patch("blocks.0.attn.hook_pattern")


@pytest.mark.parametrize("name", [a for a in ARCHITECTURES if a not in PATTERN_IS_A_COPY])
def test_a_patched_pattern_moves_the_logits(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    session.interventions.add(PATCH)
    assert not torch.equal(session.run().logits, session.run(()).logits)


def test_opt_only_reports_its_patterns_and_says_so() -> None:
    session = lw.Session(tiny("opt"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    with pytest.raises(InputError, match="ignores edits of its pattern"):
        session.interventions.add(PATCH)
    assert list(session.interventions) == []


@pytest.mark.parametrize("name", ["opt", "attn_only", "native"])
def test_scores_that_are_only_reported_are_refused(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    with pytest.raises(InputError, match="ignores edits of its scores"):
        session.interventions.add(lw.Patch("blocks.0.attn.hook_attn_scores"))


def test_scores_that_count_are_accepted() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    session.interventions.add(lw.Patch("blocks.0.attn.hook_attn_scores"))
    assert not torch.equal(session.run().logits, session.run(()).logits)
