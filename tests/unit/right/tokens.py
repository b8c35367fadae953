"""What is predicted at each token."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.views.registry import METHODS
from tests.models import BOS
from tests.unit import reference
from tests.unit.right.case import Case, ask, check
from tests.unit.right.plain import ANSWER, near

A = lw.analysis


def _losses(logits: Tensor, tokens: Tensor) -> np.ndarray:
    """Nats for each next token, NaN at the end."""
    return np.append(reference.losses(logits, tokens).numpy(), np.nan)


def _ranks(logits: Tensor, tokens: Tensor) -> list[int]:
    """How many tokens are likelier than each next one; -1 at the end."""
    true = logits[:-1].gather(1, tokens[0, 1:, None])
    return [*(logits[:-1] > true).sum(dim=1).tolist(), -1]


@check("metric", "logits of Hugging Face's model of the same weights; a hooked forward")
def metric(case: Case) -> None:
    before, after = [], []
    for prompt in case.prompts:
        alone = case.run(prompt, now=False)
        before.append(reference.logit_diff(case.twin.logits(alone.tokens), ANSWER))
        after.append(case.run(prompt).metric())
    near(case.session.baseline, before, "baseline")
    near(case.session.current, after, "current")
    told = METHODS["session/metric"].answer(case.session, {})
    near([told.attrs["baseline"], told.attrs["current"]], [np.mean(before), np.mean(after)], "told")


@check("losses, ranks and accuracy", "cross entropies and orders of the same logits")
def losses(case: Case) -> None:
    losses, accuracy = A.token_loss(case.session), A.token_accuracy(case.session)
    for prompt in case.prompts:
        run, clean = case.run(prompt), case.run(prompt, now=False)
        logits, before = run.logits(), case.twin.logits(clean.tokens)
        expected, ranks = _losses(logits, run.tokens), _ranks(logits, run.tokens)
        length = len(run.ids)
        near(losses.sel(prompt=prompt).values[:length], expected, "token_loss")
        assert np.isnan(losses.sel(prompt=prompt).values[length:]).all()
        hits = sum(rank == 0 for rank in ranks)
        near(accuracy.sel(prompt=prompt), hits / (length - 1), "token_accuracy")
        stats = ask(case, lw.TokenView, "stats", prompt=prompt)
        near(stats["loss"], expected, "token/stats loss")
        near(stats["baseline_loss"], _losses(before, run.tokens), "token/stats baseline_loss")
        near(stats["prob"], np.exp(-expected), "token/stats prob")
        assert stats["rank"].values.tolist() == ranks
        assert stats["baseline_rank"].values.tolist() == _ranks(before, run.tokens)
        top = logits.softmax(-1).topk(5).values
        near(stats["top_prob"], top, "token/stats top_prob")
        view = ask(case, lw.LossView, "losses", prompt=prompt)
        near(view["current"], expected, "loss/losses current")
        near(view["baseline"], _losses(before, run.tokens), "loss/losses baseline")


@check("with and without BOS", "the same of the prompt with BOS in front and without")
def bos(case: Case) -> None:
    prompt = case.prompts[-1]
    run = case.run(prompt)
    table = A.compare_bos(case.session, prompt)
    view = ask(case, lw.TokenView, "compare_bos", prompt=prompt)
    has = run.ids[0] == BOS
    rows = run.tokens if has else torch.cat([torch.tensor([[BOS]]), run.tokens], dim=1)
    both = rows, rows[:, 1:]
    logits = [reference.logits(case.model, row, case.edits) for row in both]
    for found in (table, view):
        near(found["loss"][0], _losses(logits[0], both[0]), "with BOS")
        near(found["loss"][1][1:], _losses(logits[1], both[1]), "without BOS")
        assert found["rank"].values[0].tolist() == _ranks(logits[0], both[0])
        assert found["rank"].values[1].tolist() == [-1, *_ranks(logits[1], both[1])]


@check("predictions", "softmax of the same logits")
def predictions(case: Case) -> None:
    for prompt in case.prompts:
        run, clean = case.run(prompt), case.run(prompt, now=False)
        table = ask(case, lw.AblationPanel, "predictions", prompt=prompt)
        ids = torch.as_tensor(table["token_id"].values)
        near(table["current"], run.logits()[-1].softmax(-1)[ids], "current")
        near(table["baseline"], case.twin.logits(clean.tokens)[-1].softmax(-1)[ids], "baseline")
        assert int(ids[0]) == int(case.twin.logits(clean.tokens)[-1].argmax())
        found = case.session.run().top_predictions(3)[prompt]
        expected = run.logits()[-1].softmax(-1).topk(3)
        near([one.prob for one in found], expected.values, "top_predictions")
