"""The stripe of a head score: its cells, every head's weight there, and code for the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests import handmade as made
from tests.models import tiny
from tests.unit import reference
from tests.unit.cases import rows
from tests.unit.page import Page

TEXTS = ["w5 w6 w7 w5 w6 w7 w5", "w9 w8 w9 w9 w10", "w11 w12"]
# <bos> w9 w8 w9 w9 w10, by hand.
CELLS = {
    "previous": [[1, 0], [2, 1], [3, 2], [4, 3], [5, 4]],
    "current": [[i, i] for i in range(6)],
    "first": [[i, 0] for i in range(6)],
    "induction": [[3, 2], [4, 4]],
    "duplicate": [[3, 1], [4, 3]],
}


def cells(stripe: xr.Dataset) -> list[list[int]]:
    """[query, key] of each."""
    pairs = zip(stripe["query_pos"].values, stripe["key_pos"].values, strict=True)
    return [[int(query), int(key)] for query, key in pairs]


@pytest.mark.parametrize("name", ["gpt2", "llama", "native"])
@pytest.mark.parametrize("kind", CELLS)
def test_the_cells_are_told_with_every_heads_weight_on_them(name: str, kind: Any) -> None:
    session = lw.Session(tiny(name), TEXTS)
    session.interventions.toggle("L0H1")
    page = Page(session)
    told = page.dataset("attention/stripe", prompt=1, stripe=kind)
    assert cells(told) == CELLS[kind]
    assert told.attrs["missing"] == ""
    off = reference.write("blocks.0.attn.hook_z", 0.0, head=1)
    for field, hooks in (("baseline", []), ("current", [off])):
        for layer in range(2):
            hook = f"blocks.{layer}.attn.hook_pattern"
            pattern = reference.activation(session.model, rows(session)[1], hook, hooks)
            expected = torch.stack([pattern[:, q, k] for q, k in CELLS[kind]]).mean(dim=0)
            np.testing.assert_allclose(told[field][layer], expected, atol=1e-5)
    scores = lw.analysis.head_scores(session, kind)
    np.testing.assert_allclose(told["mean_current"], scores, atol=1e-6)
    assert told.attrs["n_with"] == (2 if kind in ("induction", "duplicate") else 3)


def test_of_a_repeated_sequence_the_whole_diagonal_is_outlined() -> None:
    session = lw.Session(made.handmade(), made.repeated(4))
    page = Page(session)
    told = page.dataset("attention/stripe", prompt=0, stripe="induction")
    assert cells(told) == [[q, q - 3] for q in range(3, 9)]
    assert told.attrs["definition"].startswith("mean attention along the diagonal")
    assert float(told["current"][made.INDUCTION]) == pytest.approx(5 / 6, abs=1e-6)


def test_where_there_is_no_stripe_the_reason_is_said() -> None:
    session = lw.Session(tiny("gpt2"), TEXTS)
    page = Page(session)
    here = page.dataset("attention/stripe", prompt=2, stripe="induction")
    assert here.attrs["missing"] == (
        "This prompt does not have an induction stripe: it needs a token that occurs twice."
    )
    assert cells(here) == []
    assert np.isnan(here["current"]).all()
    one = page.dataset("head_scores/scores", prompt=2)
    lacking = one["kind"].values[one["missing"].values != ""]
    assert lacking.tolist() == ["induction", "duplicate"]
    assert not any(page.dataset("head_scores/scores", prompt=None)["missing"].values)
    page = Page(lw.Session(tiny("gpt2"), TEXTS[2]))
    none = page.dataset("attention/stripe", prompt=0, stripe="duplicate")
    assert none.attrs["missing"].startswith("No prompt has a duplicate stripe")
    assert "args.stripe" in page.error("attention/stripe", prompt=0, stripe="inductive")["message"]


@pytest.mark.parametrize("name", ["gpt2", "llama", "native"])
def test_the_code_gives_the_scores_and_losses_without_lens_widgets(name: str) -> None:
    corrupted = ["w15 w6 w17 w5 w6 w7 w5", "w9 w8 w19 w9 w10", "w11 w13"]
    session = lw.Session(tiny(name), TEXTS, corrupted=corrupted)
    session.interventions.add(lw.Ablate("L0H1", "mean"))
    session.interventions.add(lw.Ablate("L1H2", "resample"))
    page = Page(session)
    scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
    for prompt in (None, 1):
        code = page.dataset("head_scores/code", prompt=prompt).attrs["code"]
        assert "lens_widgets" not in code
        exec(code, scope)
        for kind in CELLS:
            each = lw.analysis.head_scores(session, kind, per_prompt=True)  # type: ignore[arg-type]
            expected = each.mean("prompt") if prompt is None else each.sel(prompt=prompt)
            np.testing.assert_allclose(scope["scores"][kind], expected, atol=1e-5)
        code = page.dataset("loss/code", prompt=prompt).attrs["code"]
        assert "lens_widgets" not in code
        exec(code, scope)
        nats = lw.analysis.token_loss(session)
        wanted = nats.mean("prompt") if prompt is None else nats.sel(prompt=prompt)
        losses = scope["losses"]
        np.testing.assert_allclose(losses, wanted[: len(losses)], atol=1e-5)


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]], ids=["padded", "one"])
def test_the_code_of_the_loss_map_ablates_head_by_head(kind: Any, texts: list[str]) -> None:
    corrupted = ["w15 w6 w17 w5 w6 w7 w5", "w9 w8 w19 w9 w10", "w11 w13"][: len(texts)]
    session = lw.Session(tiny("llama"), texts, corrupted=corrupted, metric="loss")
    session.interventions.toggle("L0H1")
    scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
    exec(lw.HeadScoresView(session).code(loss_kind=kind).attrs["code"], scope)
    expected = lw.analysis.ablation_sweep(session, kind)
    np.testing.assert_allclose(scope["loss_change"], expected, atol=1e-5)
    assert np.abs(expected).max() > 1e-3


def test_the_code_gives_the_halves_of_a_repeated_sequence() -> None:
    session = lw.Session(made.handmade(), torch.cat([made.repeated(8, seed) for seed in range(3)]))
    scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
    losses, scores = lw.LossView(session), lw.HeadScoresView(session)
    exec(losses.code().attrs["code"], scope)
    np.testing.assert_allclose(scope["halves"], losses.data()["current_halves"], atol=1e-5)
    exec(scores.code().attrs["code"], scope)
    expected = lw.analysis.head_scores(session, "induction")
    np.testing.assert_allclose(scope["scores"]["induction"], expected, atol=1e-5)


def test_the_stripe_is_shared_by_linked_views_and_checked(session: lw.Session) -> None:
    scores, attention = lw.HeadScoresView(session), lw.AttentionView(session)
    scores.set_state({"selection": {**scores.selection, "layer": 1, "stripe": "induction"}})
    assert session.selection.stripe == "induction"
    assert attention.selection["stripe"] == "induction"
    scores.set_state({"selection": {**scores.selection, "stripe": "stripes"}})
    assert scores.selection["stripe"] == "induction"
    head = session.selection.head
    with pytest.raises(InputError, match=r"selection\.stripe='previos'.*'previous'"):
        session.selection.update(head=head + 1, stripe="previos")
    assert session.selection.head == head
    session.set_prompts("w5 w6")
    assert session.selection.stripe == "induction"
