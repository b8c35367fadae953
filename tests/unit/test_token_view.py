"""The token view's questions, against plain forwards of one unpadded prompt each."""

from __future__ import annotations

import numpy as np
import pytest
from transformer_lens.utilities.lm_utils import lm_accuracy

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit import reference
from tests.unit.cases import CORRUPTED, PROMPTS, rows
from tests.unit.page import Page

EDIT = reference.write("blocks.0.attn.hook_z", 0.0, head=1)
COLUMNS = ("loss", "baseline_loss", "prob", "rank", "baseline_rank", "top_prob", "top_token_id")


@pytest.fixture
def changed(session: lw.Session) -> lw.Session:
    """With an ablation in force and the second prompt selected."""
    session.interventions.toggle("L0H1")
    session.selection.update(prompt=1)
    return session


@pytest.mark.parametrize("prompt", [0, 1])
def test_stats_are_those_of_a_plain_forward(changed: lw.Session, prompt: int) -> None:
    tokens = rows(changed)[prompt]
    logits = reference.logits(changed.model, tokens, [EDIT])
    before = reference.logits(changed.model, tokens)
    table = lw.TokenView(changed).ask("stats", prompt=prompt)
    true = tokens[0, 1:].tolist()
    probs = [float(logits[i].softmax(-1)[t]) for i, t in enumerate(true)]
    assert table["prob"].values[:-1] == pytest.approx(probs, abs=1e-5)
    np.testing.assert_allclose(table["loss"][:-1], -np.log(probs), atol=1e-4)
    np.testing.assert_allclose(
        table["baseline_loss"][:-1], reference.losses(before, tokens), atol=2e-5
    )
    for name, each in (("rank", logits), ("baseline_rank", before)):
        ranks = [each[i].argsort(descending=True).tolist().index(t) for i, t in enumerate(true)]
        assert table[name].values.tolist() == [*ranks, -1]
    assert np.isnan(table["prob"].values[-1])
    assert np.isnan(table["loss"].values[-1])
    best = logits.softmax(-1).sort(dim=-1, descending=True)
    np.testing.assert_array_equal(table["top_token_id"], best.indices[:, :5])
    np.testing.assert_allclose(table["top_prob"], best.values[:, :5], atol=1e-6)
    texts = [changed.model.tokenizer.decode([token]) for token in best.indices[2, :5].tolist()]
    assert table["top_token"].values[2].tolist() == texts


def test_hits_count_all_prompts_before_and_after(changed: lw.Session) -> None:
    found = lw.TokenView(changed).ask("hits")
    for name, hooks in (("current", [EDIT]), ("baseline", [])):
        hits = [
            lm_accuracy(reference.logits(changed.model, row, hooks)[None], row, per_token=True)
            for row in rows(changed)
        ]
        counted = int(found["hits"].values[found["run"].values.tolist().index(name)])
        assert counted == sum(int(each.sum()) for each in hits)
    assert found.attrs["n_predicted"] == sum(row.shape[1] - 1 for row in rows(changed))


def test_reply_data_and_figure_hold_the_same_numbers(changed: lw.Session) -> None:
    view = lw.TokenView(changed)
    asked, data = view.ask("stats"), view.data()
    reply = Page(changed).dataset("token/stats", prompt=1)
    for name in COLUMNS:
        np.testing.assert_array_equal(data[name], asked[name])
        np.testing.assert_array_equal(reply[name], data[name])
    assert reply["top_token"].values.tolist() == data["top_token"].values.tolist()
    labels = ["<bos> 0", "w11 1", "w12 2", "w13 3", "w14 4"]
    assert data["token"].values.tolist() == labels
    assert "token" not in reply, "the page knows the tokens from the session"
    (bars,) = view.figure().data
    np.testing.assert_array_equal(bars.y, data["loss"])
    assert list(bars.x) == labels
    assert view.figure().layout.yaxis.title.text == "nats"
    assert view.figure().layout.title.text == "Next-token loss"


def test_both_tokenizations_are_those_of_the_analysis(changed: lw.Session) -> None:
    table = lw.analysis.compare_bos(changed, 1)
    found = Page(changed).dataset("token/compare_bos", prompt=1)
    np.testing.assert_allclose(found["loss"], table["loss"], atol=1e-6)
    np.testing.assert_array_equal(found["rank"], table["rank"])
    assert found["token"].values.tolist() == ["<bos>", "w11", "w12", "w13", "w14"]
    assert found["token_id"].values.tolist() == [0, 11, 12, 13, 14]
    assert found["bos"].values.tolist() == ["with", "without"]
    assert found.attrs["own"] == "with"
    assert Page(changed).dataset("session/tokens", prompt=1).attrs["bos"] is True
    without = lw.Session(tiny("gpt2"), PROMPTS, corrupted=CORRUPTED, prepend_bos=False)
    assert Page(without).dataset("session/tokens", prompt=1).attrs["bos"] is False
    assert Page(without).dataset("token/compare_bos", prompt=1).attrs["own"] == "without"


@pytest.mark.parametrize("question", ["stats", "compare_bos", "code"])
def test_a_prompt_that_is_not_there_is_named(session: lw.Session, question: str) -> None:
    with pytest.raises(InputError, match=r"prompt=2 is out of range"):
        lw.TokenView(session).ask(question, prompt=2)
    assert "prompt=2" in Page(session).error(f"token/{question}", prompt=2)["message"]
