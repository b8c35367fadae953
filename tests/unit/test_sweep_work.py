"""A sweep computes what it must and no more, survives a full memory, and can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.engine import current
from lens_widgets.engine.cancel import Cancelled, CancelToken
from lens_widgets.engine.recompute import first_alike
from lens_widgets.engine.sweep import TooLarge
from tests.models import fresh, tiny
from tests.unit import reference
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, rows
from tests.unit.spies import spy

ALIKE = ["w5 w6 w7 w8", "w5 w6 w9 w8", "w5 w6 w7 w4"]


@contextmanager
def mlp_tokens(model: Any, layer: int) -> Iterator[list[int]]:
    """How many tokens a layer's MLP is given, call by call."""
    counts: list[int] = []

    def count(_module: Any, args: tuple[Tensor, ...], _output: Any) -> None:
        counts.append(args[0].numel() // args[0].shape[-1])

    linear = getattr(model.blocks[layer].mlp, "in").original_component
    handle = linear.register_forward_hook(spy(count))
    try:
        yield counts
    finally:
        handle.remove()


@contextmanager
def full_memory(model: Any, rows_at_most: int) -> Iterator[list[int]]:
    """A device on which a block runs out of memory beyond so many rows; tells what was asked."""
    asked: list[int] = []

    def allocate(_module: Any, args: tuple[Tensor, ...]) -> None:
        asked.append(args[0].shape[0])
        if asked[-1] > rows_at_most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    handle = model.blocks[1].register_forward_pre_hook(spy(allocate))
    try:
        yield asked
    finally:
        handle.remove()


def test_what_two_prompts_have_in_common_is_computed_once() -> None:
    model = tiny("gpt2")
    session = lw.Session(model, ALIKE, answers=ANSWERS[0])
    lw.analysis.ablation_sweep(session, over="attn")
    with mlp_tokens(model, 0) as counts:
        sweep = lw.analysis.ablation_sweep(session, over="attn", per_prompt=True)
    # bos w5 w6 are in all three, w7 in two: 15 tokens, of which 8 are different beginnings. The
    # base run is made once more, in full.
    assert counts == [15, 8]
    for row, tokens in enumerate(rows(session)):
        hooks = [reference.write("blocks.0.hook_attn_out", 0.0)]
        after = reference.logit_diff(reference.logits(model, tokens, hooks), (30, 31))
        before = reference.logit_diff(reference.logits(model, tokens), (30, 31))
        assert float(sweep[row, 0]) == pytest.approx(after - before, abs=2e-5)


@pytest.mark.parametrize("kind", ["zero", "resample"])
def test_prompts_that_begin_alike_are_right_under_interventions(kind: Any) -> None:
    # The corrupted prompts tell apart what the prompts have in common.
    corrupted = ["w5 w15 w7 w8", "w5 w6 w9 w8", "w5 w16 w7 w4"]
    session = lw.Session(tiny("llama"), ALIKE, answers=ANSWERS[0], corrupted=corrupted)
    for item in (lw.Ablate("L0H2", "resample"), lw.Ablate("L1H0", positions=-1)):
        session.interventions.add(item)
        sweep = lw.analysis.ablation_sweep(session, kind, per_prompt=True)
        for row in range(3):
            alone = lw.Session(
                tiny("llama"), ALIKE[row], answers=ANSWERS[0], corrupted=corrupted[row]
            )
            for other in session.interventions:
                alone.interventions.add(other)
            one = lw.analysis.ablation_sweep(alone, kind)
            np.testing.assert_allclose(sweep[row], one, atol=2e-5)


def test_a_beginning_ends_at_the_first_different_token() -> None:
    tokens = torch.tensor([[1, 2, 3], [1, 2, 4], [1, 9, 3], [1, 2, 4]])
    assert first_alike(tokens).tolist() == [[0, 0, 0], [0, 0, 1], [0, 2, 2], [0, 0, 1]]  # type: ignore[union-attr]
    other = torch.tensor([[1, 2, 3], [5, 2, 4], [1, 9, 3], [1, 2, 4]])
    assert first_alike(tokens, other).tolist() == [[0, 0, 0], [1, 1, 1], [0, 2, 2], [0, 0, 3]]  # type: ignore[union-attr]
    assert first_alike(torch.tensor([[1, 2], [3, 2]])) is None


def test_patching_what_is_the_same_in_both_runs_costs_nothing_and_changes_nothing() -> None:
    model = tiny("gpt2")
    prompts, corrupted = ["w5 w6 w7 w8 w9", "w5 w6 w7 w8 w4"], ["w5 w6 w7 w3 w9", "w5 w6 w7 w8 w4"]
    session = lw.Session(model, prompts, answers=ANSWERS, corrupted=corrupted)
    base = session.corrupted_run().metric
    session.run()
    with mlp_tokens(model, 1) as counts:
        sweep = lw.analysis.patch_sweep(session, "resid_pre", per_prompt=True)
    # Only w3 and what follows it differ, in the first prompt; the second cannot change at all.
    assert (sweep.sel(pos=[0, 1, 2, 3]) == base.numpy()[:, None, None]).all()
    assert sweep.sel(prompt=1).values == pytest.approx(float(base[1]), abs=2e-5)
    assert abs(sweep.sel(prompt=0, layer=1, pos=[4, 5]) - float(base[0])).min() > 1e-3
    # The base run, and the one position that is read for each cell that differs: w3 in both layers,
    # and w9 where it has attended to w3.
    assert counts == [12, 3]


def test_the_metric_decides_how_many_logits_are_computed() -> None:
    model = tiny("gpt2")
    counts: dict[str, int] = {}
    for metric in ("logit_diff", "prob", "loss"):
        session = lw.Session(model, PROMPTS, answers=ANSWERS, metric=metric)
        session.run()
        seen: list[int] = []

        def count(_m: Any, args: tuple[Tensor, ...], _o: Any, seen: list[int] = seen) -> None:
            seen.append(args[0].numel() // args[0].shape[-1])

        handle = model.unembed.register_forward_hook(spy(count))
        lw.analysis.ablation_sweep(session)
        handle.remove()
        counts[metric] = sum(seen)
    n_prompts, n_pos = session.tokens.shape
    # The loss reads every position of the base and of each head, <bos> of both prompts but once;
    # the others read the last position or less.
    assert counts == {
        "logit_diff": 0,
        "prob": 8 * n_prompts,
        "loss": 9 * n_prompts * n_pos - 8,
    }


def test_when_memory_runs_out_the_batch_is_halved_and_the_sweep_goes_on() -> None:
    model = tiny("gpt2")
    session = lw.Session(model, PROMPTS, answers=ANSWERS)
    expected = lw.analysis.ablation_sweep(session)
    with full_memory(model, rows_at_most=4) as asked:
        sweep = lw.analysis.ablation_sweep(session)
    assert max(asked) > 4
    np.testing.assert_allclose(sweep, expected, atol=2e-5)


def test_one_variant_that_does_not_fit_says_so_and_leaves_no_hook() -> None:
    model = tiny("gpt2")
    session = lw.Session(model, PROMPTS, answers=ANSWERS)
    with full_memory(model, rows_at_most=0), pytest.raises(TooLarge, match="2 prompts x 7 tokens"):
        lw.analysis.ablation_sweep(session)
    # Checked after every test as well: nothing of ours is left on the model.
    assert lw.analysis.ablation_sweep(session).notnull().all()


def test_other_errors_are_not_taken_for_a_full_memory() -> None:
    model = fresh("gpt2")
    session = lw.Session(model, PROMPTS, answers=ANSWERS)

    def fail(_module: Any, _args: Any) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    model.blocks[1].register_forward_pre_hook(spy(fail))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        lw.analysis.ablation_sweep(session)


def test_the_memory_limit_bounds_the_rows_of_a_batch() -> None:
    model = tiny("gpt2")
    session = lw.Session(model, PROMPTS, answers=ANSWERS)
    expected = lw.analysis.ablation_sweep(session)
    with full_memory(model, rows_at_most=1000) as asked:
        sweep = lw.analysis.ablation_sweep(session, max_memory_gb=1e-9)
    assert max(asked) == 2
    np.testing.assert_allclose(sweep, expected, atol=2e-5)


def test_a_stop_is_noticed_at_the_next_block() -> None:
    model = tiny("gpt2")
    session = lw.Session(model, PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    session.corrupted_run()
    token, blocks = CancelToken(), []

    def stop(_module: Any, _args: Any) -> None:
        blocks.append(1)
        if len(blocks) == 3:
            token.cancel()

    handles = [block.register_forward_pre_hook(spy(stop)) for block in model.blocks]
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            with current.working(token, waits_for_cells=False):
                lw.analysis.patch_sweep(session, "z", by_pos=True)
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for handle in handles:
        handle.remove()
    assert isinstance(outcome[0], Cancelled)
    assert len(blocks) == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_half_precision_gives_what_hooked_forwards_give_in_it(name: str, dtype: Any) -> None:
    model = fresh(name).to(dtype)
    session = lw.Session(model, PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    assert session.facts.dtype == str(dtype).removeprefix("torch.")
    sweep = lw.analysis.ablation_sweep(session, per_prompt=True)
    patched = lw.analysis.patch_sweep(session, "resid_pre", per_prompt=True)
    scale = float(session.run().last_logits.abs().max())
    # Two roundings of the logits: of the difference's both sides.
    tolerance = 8 * scale * torch.finfo(dtype).eps
    for head in range(4):
        hooks = [reference.write("blocks.0.attn.hook_z", 0.0, head=head)]
        for row, tokens in enumerate(rows(session)):
            pair = (30, 31) if row == 0 else (32, 33)
            after = reference.logit_diff(reference.logits(model, tokens, hooks).float(), pair)
            before = reference.logit_diff(reference.logits(model, tokens).float(), pair)
            got = float(sweep.sel(prompt=row, layer=0, head=head))
            assert got == pytest.approx(after - before, abs=tolerance)
    assert patched.notnull().any()
