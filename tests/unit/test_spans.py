"""Spans name the same thing in every prompt, wherever it is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit import reference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, rows

# With <bos> in front: "w7" is at 3 and at 2, "w5" at 1 and 4.
TEXTS = ["w5 w6 w7 w8 w5 w9", "w11 w7 w12 w5"]
A = lw.analysis


@pytest.fixture
def session() -> lw.Session:
    return lw.Session(tiny("gpt2"), TEXTS, answers=ANSWERS, corrupted=CORRUPTED)


@pytest.mark.parametrize(
    ("given", "places"),
    [
        (2, ((2,), (2,))),
        (-1, ((6,), (4,))),
        ([1, -2, 1], ((1, 5), (1, 3))),
        ("w7", ((3,), (2,))),
        (("w5", -1), ((5,), (4,))),
        (("w5", 0), ((1,), (4,))),
        (re.compile(r"w7w\d+"), ((3, 4), (2, 3))),
        (re.compile(r"w7(w\d+)"), ((4,), (3,))),
        ((re.compile(r"w\d"), -1), ((6,), (4,))),
        ([("w5", 0), "w11"], ((1,), (1,))),
        ([[1, 2], "w12"], ((1, 2), (3,))),
    ],
)
def test_a_span_is_found_in_every_prompt(session: lw.Session, given: Any, places: Any) -> None:
    spans = lw.Spans(session, here=given, end=-1)
    assert spans["here"].places == places
    assert list(spans) == ["here", "end"]
    assert "here" in spans


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("w40", r"span here: 'w40' matches nothing in prompt 0"),
        ("w6", r"span here: 'w6' matches nothing in prompt 1"),
        ("w5", r"span here: 'w5' matches 2 places in prompt 0, at 1 and 5.*\('w5', 0\)"),
        (("w5", 1), r"span here: 'w5' has 1 matches in prompt 1"),
        (re.compile("w99"), r"span here: 'w99' matches nothing"),
        (5, r"span here: prompt 1 has 5 tokens, and no position 5"),
        (["w5"], r"span here has 1 entries for 2 prompts"),
        (1.5, r"span here: 1.5 names no positions"),
        (True, r"span here: True names no positions"),
        ([], r"span here has 0 entries|names no positions"),
    ],
)
def test_what_matches_nothing_or_twice_is_one_clear_error(
    session: lw.Session, given: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lw.Spans(session, here=given)


def test_names_that_there_are_not_are_said(session: lw.Session) -> None:
    with pytest.raises(InputError, match=r"'IOO' is not known.*'IO'"):
        lw.Spans(session, IO=1)["IOO"]
    with pytest.raises(InputError, match="no names"):
        lw.Spans(session)
    with pytest.raises(InputError, match="so the other positions are called"):
        lw.Spans(session, rest=1)


def _expected(session: lw.Session, name: str, value: Tensor | float, places: Any) -> list[float]:
    found = []
    for row, tokens in enumerate(rows(session)):
        hook = reference.write(name, value, head=1, at=places[row])
        logits = reference.logits(session.model, tokens, [hook])
        found.append(reference.logit_diff(logits, ANSWER_IDS[row]))
    return found


def test_an_intervention_acts_at_a_span(session: lw.Session) -> None:
    span = lw.Spans(session, here="w7")["here"]
    ablated = lw.Ablate("L0H1", positions=span)
    assert ablated.detail == "at here"
    got = session.run([ablated]).metric.tolist()
    expected = _expected(session, "blocks.0.attn.hook_z", 0.0, span.places)
    assert got == pytest.approx(expected, abs=2e-5)
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1))
    for item in (
        ablated,
        lw.Patch("L0.mlp", span),
        lw.Steer("blocks.1.hook_resid_pre", vector, positions=span),
        lw.Cut("L0H1", "L1H2.q", positions=span),
    ):
        session.interventions.clear()
        session.interventions.add(item)
        scope = {"model": session.model, "tokens": session.tokens}
        exec(session.interventions.to_code(), scope)
        logits = scope["logits"][range(2), session.positions]  # type: ignore[index]
        torch.testing.assert_close(logits, session.run().last_logits, atol=2e-5, rtol=0)
        assert not torch.equal(session.current, session.baseline)
    # A sweep on top of it, where prompts that begin alike must not share what differs.
    sweep = A.ablation_sweep(session, per_prompt=True)
    both = session.run([*session.interventions, lw.Ablate("L1H0")]).metric - session.current
    np.testing.assert_allclose(sweep[:, 1, 0], both, atol=2e-5)


def test_prompts_that_begin_alike_are_told_apart_by_a_span() -> None:
    texts = ["w5 w6 w7 w8", "w5 w6 w7 w9"]
    session = lw.Session(tiny("gpt2"), texts, answers=ANSWERS)
    span = lw.Spans(session, here=["w6", "w7"])["here"]
    session.interventions.add(lw.Ablate("L0H1", positions=span))
    sweep = A.ablation_sweep(session, per_prompt=True)
    both = session.run([*session.interventions, lw.Ablate("L1H0")]).metric - session.current
    np.testing.assert_allclose(sweep[:, 1, 0], both, atol=2e-5)


def test_spans_are_saved_and_belong_to_their_prompts(session: lw.Session, tmp_path: Path) -> None:
    span = lw.Spans(session, here="w7")["here"]
    for item in (lw.Ablate("L0H1", positions=span), lw.Cut("L0H1", "logits", positions=span)):
        session.interventions.add(item)
    session.save(tmp_path / "one.lens")
    again = lw.Session.open(tmp_path / "one.lens", session.model)
    assert [item.positions for item in again.interventions] == [span, span]
    with pytest.raises(InputError, match=r"does not fit the new prompts.*span here"):
        session.set_prompts(["w5 w6"], answers=ANSWERS[0], corrupted=["w5 w8"])
    other = lw.Session(tiny("gpt2"), ["w5 w6"], answers=ANSWERS[0])
    with pytest.raises(InputError, match="the span here is one of other prompts"):
        other.run([lw.Ablate("L0H1", positions=span)])
    with pytest.raises(InputError, match="is no span"):
        lw.Ablate("L0H1", positions=("span", "here", "1"))  # type: ignore[arg-type]


def test_scores_sum_by_span(session: lw.Session) -> None:
    each = A.edge_scores(session, per_prompt=True, per_position=True)
    spans = lw.Spans(session, here="w7", end=-1)
    summed = spans.sum(each)
    assert summed.dims == ("prompt", "writer", "reader", "span")
    for row, (here, end) in enumerate(((3, 6), (2, 4))):
        for name, place in (("here", here), ("end", end)):
            expected = each[row].isel(pos=place).values
            np.testing.assert_allclose(summed[row].sel(span=name), expected)
    whole = A.edge_scores(session, per_prompt=True)
    np.testing.assert_allclose(summed.sum("span", skipna=False), whole, atol=1e-5)
    # Of nodes: the edges of each writer.
    nodes = spans.sum(each.sum("reader"))
    np.testing.assert_allclose(nodes, summed.sum("reader"), atol=1e-5)
    mean = A.edge_scores(session, per_position=True)
    with pytest.raises(InputError, match=r"lies elsewhere in each prompt"):
        spans.sum(mean)
    with pytest.raises(InputError, match="metrics after patches, which do not add up"):
        spans.sum(A.estimate_sweep(session, "attn_out", per_prompt=True))
    with pytest.raises(InputError, match="no dim pos"):
        spans.sum(whole)
    with pytest.raises(InputError, match="position 3 belongs to two spans"):
        lw.Spans(session, here="w7", there=3).sum(each)
    with pytest.raises(InputError, match="scores is of other prompts"):
        spans.sum(each[:1])
