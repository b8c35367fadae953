"""Prompts that are run in parts have the numbers of one batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
import xarray as xr

import lens_widgets as lw
from lens_widgets.engine import memory, trace
from lens_widgets.engine.gradients import Slopes, gradients
from lens_widgets.errors import InputError
from lens_widgets.prompts import answers
from lens_widgets.session import runs
from lens_widgets.session.parts import PartedRun, PartedRuns
from tests.models import native
from tests.unit.every_question import of_analysis, of_views

TEXTS = [f"w{5 + i} w6 w7 w{5 + i} w6 w7 w{i + 20}"[: None if i % 2 else -4] for i in range(7)]
CORRUPTED = [text.replace("w6", "w16") for text in TEXTS]
ANSWERS = [(f"w{30 + i}", f"w{31 + i}") for i in range(7)]


def sessions(
    monkeypatch: pytest.MonkeyPatch, model: Any, size: int = 2, **options: Any
) -> tuple[lw.Session, lw.Session]:
    """The same prompts in one batch, and in parts of ``size``."""
    given: dict[str, Any] = {"answers": ANSWERS, "corrupted": CORRUPTED} | options
    whole = lw.Session(model, TEXTS, **given)
    monkeypatch.setattr(memory, "rows_together", lambda *sizes: size)
    parted = lw.Session(model, TEXTS, **given)
    assert isinstance(parted._runs, PartedRuns)
    return whole, parted


def same(one: Any, other: Any, what: str) -> None:
    """Both are the same to rounding, whatever they are."""
    assert type(one) is type(other), what
    if isinstance(one, xr.Dataset):
        assert set(one.variables) == set(other.variables), what
        for name in one.variables:
            same(one[name].values, other[name].values, f"{what}.{name}")
        same(one.attrs, other.attrs, f"{what}.attrs")
    elif isinstance(one, xr.DataArray):
        same(one.to_dataset(name="values"), other.to_dataset(name="values"), what)
        same(one.attrs, other.attrs, f"{what}.attrs")
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6, equal_nan=True, msg=what)
    elif isinstance(one, go.Figure):
        traces, others = ([dict(t.to_plotly_json()) for t in f.data] for f in (one, other))
        same(traces, others, what)
        same(one.layout.to_plotly_json(), other.layout.to_plotly_json(), what)
    elif isinstance(one, str) and one.startswith("{"):
        same(json.loads(one), json.loads(other), what)
    elif is_dataclass(one):
        same(vars(one), vars(other), what)
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), what
        for key, value in one.items():
            same(value, other[key], f"{what}[{key}]")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), what
        for i, value in enumerate(one):
            same(value, other[i], f"{what}[{i}]")
    elif (isinstance(one, np.ndarray) and one.dtype.kind == "f") or isinstance(one, float):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6, err_msg=what)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other, err_msg=what)
    else:
        assert one == other, what


def outcome(ask: Callable[[], Any]) -> Any:
    """What is answered, or in which words it is refused."""
    try:
        return ask()
    except InputError as error:
        return str(error)


INTERVENTIONS: dict[str, list[Any]] = {
    "none": [],
    "mean ablation": [lw.Ablate("L0H1", "mean"), lw.Ablate("L1.mlp", "resample", positions=-1)],
    "mean cut": [lw.Cut("L0H0", "L1H1.k", "mean"), lw.Cut("L0.mlp", "L1H0.v")],
}


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_every_function_gives_the_numbers_of_one_batch(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    both = sessions(monkeypatch, native())
    for session in both:
        for item in INTERVENTIONS[name]:
            session.interventions.add(item)
    for (what, one), (_, other) in zip(*map(of_analysis, both), strict=True):
        same(outcome(one), outcome(other), what)


@pytest.mark.parametrize("scope", ["mean", "selected"])
def test_every_question_of_every_view_gives_the_numbers_of_one_batch(
    monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    model = native()
    # Shares of what little an intervention moves, and ranks, would be of rounding.
    torch.nn.Module.to(model, torch.float64)
    both = sessions(monkeypatch, model)
    for session in both:
        session.interventions.add(lw.Ablate("L0H1", "mean"))
        session.settings.update(prompt_scope=scope)
        # The second prompt of the second part, and as many places as there are in a session.
        session.selection.update(prompt=3, layer=1, head=2, query_pos=3, key_pos=1)
        session.selection.update(writer_layer=0, writer_head=1, stripe="induction")
    answered = 0
    for (what, one), (_, other) in zip(*map(of_views, both), strict=True):
        found = outcome(one)
        same(found, outcome(other), what)
        answered += not isinstance(found, str)
    assert answered >= 90


def test_no_more_prompts_are_run_together_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = native()
    monkeypatch.setattr(memory, "rows_together", lambda *sizes: 3)
    seen: list[int] = []

    def counting(module: Any, name: str, size: Callable[..., int]) -> None:
        run = getattr(module, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            seen.append(size(*args))
            return run(*args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    counting(trace, "forward", lambda model, tokens, *_: len(tokens))
    counting(trace, "resume", lambda model, calls, *_: len(calls[0].resid))
    counting(trace, "read_blocks", lambda model, calls, *_: len(calls[0].resid))
    counting(runs, "gradients", lambda model, facts, calls, *_: len(calls[0].resid))
    session = lw.Session(model, TEXTS, answers=ANSWERS, corrupted=CORRUPTED)
    lw.analysis.attribution(session)
    lw.analysis.head_scores(session, "previous")
    lw.analysis.estimate_sweep(session, "z")
    lw.analysis.edge_scores(session)
    lw.analysis.token_accuracy(session)
    session.metric_with([lw.Ablate("L0H1", "mean")])
    assert max(seen) == 3


@pytest.mark.parametrize("n_pos", [8, 40])
def test_a_backward_pass_holds_what_a_part_may_take(
    monkeypatch: pytest.MonkeyPatch, n_pos: int
) -> None:
    model = native(n_layers=4, n_ctx=64)
    tokens = torch.randint(3, 60, (64, n_pos), generator=torch.Generator().manual_seed(0))
    held: dict[int, int] = {}

    def hold(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    def counted(*args: Any, **kwargs: Any) -> Any:
        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            return gradients(*args, **kwargs)

    monkeypatch.setattr(runs, "gradients", counted)
    monkeypatch.setattr(memory, "PART_BYTES", 1 << 21)
    monkeypatch.setattr(memory, "WHOLE_BYTES", 1 << 21)
    session = lw.Session(model, tokens, corrupted=tokens.flip(1), metric="loss")
    assert isinstance(session._runs, PartedRuns)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    spent: list[int] = []

    def work(some: lw.Session) -> torch.Tensor:
        held.clear()
        some.gradients(Slopes(["blocks.0.hook_in"]))
        spent.append(sum(size for place, size in held.items() if place not in weights))
        return some.baseline

    session.by_parts(work)
    # And a good part of it, or prompts are run in more parts than they need.
    assert memory.PART_BYTES / 4 < max(spent) <= memory.PART_BYTES


def test_parts_that_do_not_fit_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT_BYTES", 1)
    whole, parted = sessions(monkeypatch, native())
    assert isinstance(parted._runs, PartedRuns)
    assert not parted._runs._kept
    ablated = [lw.Ablate("L0H1", "mean")]
    same(whole.run(ablated).metric, parted.run(ablated).metric, "metric")
    same(whole.run(ablated).loss_per_token, parted.run(ablated).loss_per_token, "loss")
    assert not parted._runs._kept


def spied(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[None]:
    """Grows with each call of a function."""
    calls: list[None] = []
    function = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_what_is_read_of_all_prompts_is_put_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_each(model: Any, entries: Any, found: answers.Answers) -> tuple[answers.Spacing, ...]:
        return tuple(answers.Spacing("answers", i, "w", 5, " w", 5) for i in range(7))

    monkeypatch.setattr(answers, "_spacings", of_each)
    joined = spied(monkeypatch, PartedRun, "_joined")
    _, parted = sessions(monkeypatch, native())
    assert len(joined) == 1
    parted.run([lw.Ablate("L0H1")]).top_predictions(k=3)
    assert len(joined) == 2


def test_heads_are_checked_and_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    read = spied(monkeypatch, trace, "read_blocks")
    _, parted = sessions(monkeypatch, native())
    lw.analysis.attribution(parted)
    # Seven prompts, two at a time.
    assert len(read) == 4


def test_free_memory_is_given_back_where_a_process_has_grown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given_back = spied(monkeypatch, memory, "give_back")
    sizes = iter([100, 200, 400, 150, 300, 320, 90])
    monkeypatch.setattr(memory, "GROWN_BYTES", 160)
    monkeypatch.setattr(memory, "resident_bytes", lambda: next(sizes))
    parts = memory.GivesBack()
    counts = []
    for _ in range(4):
        parts.after_part()
        counts.append(len(given_back))
    # From 100 to 400; then from 150 to 320.
    assert counts == [0, 1, 1, 2]


def test_an_error_names_the_prompt_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model = native()
    with torch.no_grad():
        model.W_E[50] = float("nan")
    monkeypatch.setattr(memory, "rows_together", lambda *sizes: 2)
    with pytest.raises(InputError, match=r"prompts\[3\]: the model"):
        lw.Session(model, [*TEXTS[:3], "w5 w50 w6"], answers=ANSWERS[0])


def test_spans_lie_where_they_lie_in_each_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    both = sessions(monkeypatch, native())
    spans = [lw.Spans(session, last=-2) for session in both]
    ablated = [[lw.Ablate("L1H0", positions=each["last"])] for each in spans]
    first, second = (one.run(items) for one, items in zip(both, ablated, strict=True))
    same(first.metric, second.metric, "metric")


def last_logit(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, -1, 30]


def first_logit(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1, 30]


@pytest.mark.parametrize("own", [last_logit, first_logit])
def test_a_metric_of_each_prompt_by_itself_is_had_of_parts(
    monkeypatch: pytest.MonkeyPatch, own: Callable[..., Any]
) -> None:
    whole, parted = sessions(monkeypatch, native(), metric=own)
    assert whole.metric.own is not None
    assert parted.metric.own is not None
    assert parted.metric.own.counts_from == whole.metric.own.counts_from
    assert parted.notes == whole.notes
    same(whole.baseline, parted.baseline, "baseline")
    for function in (lw.analysis.ablation_sweep, lw.analysis.edge_scores):
        same(function(whole), function(parted), function.__name__)


@pytest.mark.parametrize("equal", [0, 4])
def test_a_metric_of_all_prompts_is_given_all(monkeypatch: pytest.MonkeyPatch, equal: int) -> None:
    monkeypatch.setattr(memory, "rows_together", lambda *sizes: 2)
    # Of the first parts it has the right values where their answers are the same.
    wanted = torch.arange(30, 37)
    wanted[:equal] = 30
    metrics: list[Callable[..., Any]] = [
        lambda logits: logits[torch.arange(7), -1, wanted],
        lambda logits: logits[:, -1, wanted].diagonal(),
        lambda logits: logits[:, -1, 30] - logits[:, -1, 30].mean(),
    ]
    for own in metrics:
        session = lw.Session(native(), TEXTS, metric=own)
        last = session.run(()).last_logits
        expected = last[torch.arange(7), wanted]
        if own is metrics[-1]:
            expected = last[:, 30] - last[:, 30].mean()
        same(expected, session.baseline, "baseline")
        assert "is given all prompts at once, since it has other values" in session.notes[-1]


def test_a_metric_that_cannot_be_tried_is_given_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "rows_together", lambda *sizes: 2)
    monkeypatch.setattr(memory, "WHOLE_BYTES", 1)
    session = lw.Session(native(), TEXTS, metric=last_logit)
    assert session.baseline.shape == (7,)
    assert "too many to try it on parts" in session.notes[-1]


def test_a_metric_of_ones_own_sees_no_logits_that_are_not_finite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = native()
    with torch.no_grad():
        model.W_E[50] = float("nan")
    monkeypatch.setattr(memory, "rows_together", lambda *sizes: 2)
    with pytest.raises(InputError, match=r"prompts\[3\]: the model"):
        lw.Session(model, [*TEXTS[:3], "w5 w50 w6"], metric=last_logit)
