"""A model with logits for fewer tokens than it reads: a loss where there is a logit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.analysis.attention.detector_script import loss_script
from lens_widgets.analysis.attribution.attribution_script import attribution_script
from lens_widgets.analysis.tokens.token_script import token_script
from lens_widgets.errors import InputError
from tests.models import native
from tests.unit import reference
from tests.unit.scripts import execute

D_VOCAB, N_LOGITS = 14, 13
ROWS = [[4, 5, 13, 6, 7], [8, 13, 9, 10, 11]]


@pytest.fixture(scope="module")
def session() -> lw.Session:
    model = native(
        d_vocab=D_VOCAB,
        d_vocab_out=N_LOGITS,
        attn_only=True,
        act_fn="gelu",
        normalization_type="LN",
    )
    assert model.W_U.shape[1] == N_LOGITS
    return lw.Session(model, torch.tensor(ROWS))


def losses(session: lw.Session) -> np.ndarray:
    """Next-token losses from plain logits, NaN for id 13."""
    found = np.full((2, 5), np.nan)
    for i, row in enumerate(ROWS):
        logits = reference.logits(session.model, torch.tensor([row])).log_softmax(dim=-1)
        for pos, token in enumerate(row[1:]):
            if token < N_LOGITS:
                found[i, pos] = -float(logits[pos, token])
    return found


def test_the_loss_is_over_the_tokens_that_have_a_logit(session: lw.Session) -> None:
    expected = losses(session)
    assert np.isnan(expected).sum() == 4
    np.testing.assert_allclose(lw.analysis.token_loss(session).values, expected, atol=1e-5)
    np.testing.assert_allclose(session.baseline, np.nanmean(expected, axis=1), atol=1e-5)
    assert any("logits for token ids 0 to 12 alone" in note for note in session.notes)


def test_the_token_and_loss_views_have_gaps(session: lw.Session) -> None:
    expected = losses(session)
    stats = lw.TokenView(session).ask("stats", prompt=0)
    np.testing.assert_allclose(stats["loss"].values, expected[0], atol=1e-5)
    np.testing.assert_allclose(stats["prob"].values, np.exp(-expected[0]), atol=1e-5)
    assert stats["rank"].values.tolist()[1] == -1
    assert lw.TokenView(session).ask("hits").attrs["n_predicted"] == 6
    view = lw.LossView(session).ask("losses", prompt=None)
    np.testing.assert_allclose(
        view["baseline"].values, np.append(np.nanmean(expected[:, :-1], axis=0), np.nan), atol=1e-5
    )
    assert lw.analysis.token_accuracy(session).attrs["tokens"] == 6


def test_scripts_have_the_same_gaps(session: lw.Session) -> None:
    expected = losses(session)
    got = execute(session, token_script(session))
    np.testing.assert_allclose(got["loss"].numpy(), expected, atol=1e-5)
    np.testing.assert_array_equal(got["rank"].numpy() >= 0, ~np.isnan(expected))
    means = execute(session, loss_script(session))["losses"].numpy()
    np.testing.assert_allclose(means, np.nanmean(expected[:, :-1], axis=0), atol=1e-5)
    scope = {"model": session.model}
    code = session.measuring_code([])
    line = next(line for line in code.splitlines() if line.startswith("model = "))
    exec(compile(code.replace(line, ""), "script", "exec"), scope)
    torch.testing.assert_close(scope["values"], session.baseline)


def test_attribution_and_lens_read_the_tokens_that_have_a_logit(session: lw.Session) -> None:
    parts = lw.analysis.attribution(session, by="component", per_prompt=True)
    found = parts.sum("component").values
    for i, row in enumerate(ROWS):
        logits = reference.logits(session.model, torch.tensor([row]))
        read = [
            float(logits[pos, token] - logits[pos].mean())
            for pos, token in enumerate(row[1:])
            if token < N_LOGITS
        ]
        assert float(found[i]) == pytest.approx(np.mean(read), abs=1e-4)
    effects = execute(session, attribution_script(session, "component"))["effects"]
    expected = lw.analysis.attribution(session, by="component").values
    np.testing.assert_allclose(effects.numpy(), expected, atol=1e-5)
    lens = lw.analysis.logit_lens(session, k=13)
    final = lens["rank"].sel(prompt=0).isel(stage=-1).values
    assert final[1] == -1
    assert (final[[0, 2, 3]] >= 0).all()


def test_prompts_without_any_predictable_token_are_refused(session: lw.Session) -> None:
    with pytest.raises(InputError, match=r"metric='loss'.*ids 0 to 12"):
        lw.Session(session.model, torch.tensor([[4, 13, 13]]))


def test_an_answer_without_a_logit_is_refused(session: lw.Session) -> None:
    with pytest.raises(InputError, match=r"answers\[0\]\[1\] is token id 13; ids run from 0 to 12"):
        lw.Session(session.model, torch.tensor(ROWS), answers=(4, 13))


def test_every_view_opens_on_such_a_model(session: lw.Session) -> None:
    for view in (
        lw.TokenView,
        lw.LossView,
        lw.LogitLensView,
        lw.AttributionTable,
        lw.AblationPanel,
        lw.Explorer,
    ):
        assert view(session).data() is not None
