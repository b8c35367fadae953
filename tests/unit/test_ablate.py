"""Ablations equal plain hooked forwards of the unpadded prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.engine.components import Component
from tests.models import ARCHITECTURES, tiny
from tests.unit import reference
from tests.unit.cases import CORRUPTED, PROMPTS, corrupted_rows, rows

Kind = Literal["zero", "mean", "resample"]
COMPONENTS = ("L0H1", "L1H3", "L0.attn", "L1.mlp", "embed")


def _has(name: str, component: str) -> bool:
    return not (component.endswith("mlp") and name == "attn_only")


CASES = [(n, c) for n in ARCHITECTURES for c in COMPONENTS if _has(n, c)]
CASES += [("gpt2", "pos_embed"), ("opt", "pos_embed"), ("attn_only", "pos_embed")]


def check(session: lw.Session, item: lw.Ablate, values: Sequence[float | Tensor]) -> None:
    """Compares the session's run with writing ``values`` (one a prompt) by a plain hook."""
    part = Component.parse(item.component)
    run = session.run([item])
    for row, (tokens, value) in enumerate(zip(rows(session), values, strict=True)):
        length = tokens.shape[1]
        at = None
        if item.acts_at is not None:
            assert isinstance(item.acts_at, tuple)
            at = [p % length for p in item.acts_at if -length <= p < length]
        hook = reference.write(part.hook, value, part.head, at)
        expected = reference.logits(session.model, tokens, [hook])
        torch.testing.assert_close(run.logits[row, :length], expected, atol=3e-5, rtol=0)


def _activations(session: lw.Session, part: Component, prompts: Sequence[Tensor]) -> list[Tensor]:
    found = [reference.activation(session.model, tokens, part.hook) for tokens in prompts]
    return found if part.head is None else [value[:, part.head] for value in found]


def _values(session: lw.Session, component: str, kind: str) -> list[float | Tensor]:
    """What each prompt's component should hold, from plain runs."""
    part = Component.parse(component)
    if kind == "zero":
        return [0.0, 0.0]
    if kind == "mean":
        return [torch.cat(_activations(session, part, rows(session))).mean(dim=0)] * 2
    return [*_activations(session, part, corrupted_rows(session))]


@pytest.mark.parametrize(("name", "component"), CASES)
@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_an_ablation_replaces_what_the_component_wrote(
    name: str, component: str, kind: Kind
) -> None:
    session = lw.Session(tiny(name), PROMPTS, corrupted=CORRUPTED)
    values = _values(session, component, kind)
    if kind != "resample":
        check(session, lw.Ablate(component, kind), values)
    if kind != "mean":
        check(session, lw.Ablate(component, kind, positions=(1, -1)), values)


@pytest.mark.parametrize("places", [(1,), (0, 5), (-1, -2), (-6,), 3, range(2)])
@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_an_ablation_acts_only_at_its_positions(
    session: lw.Session, places: Any, kind: Kind
) -> None:
    for component in ("L0H1", "L0.mlp", "embed", "pos_embed"):
        values = _values(session, component, kind)
        check(session, lw.Ablate(component, kind, positions=places), values)


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_prompts_of_one_length_are_ablated_alike(kind: Kind) -> None:
    prompts, corrupted = ["w5 w6 w7", "w8 w9 w10"], ["w5 w16 w7", "w18 w9 w10"]
    session = lw.Session(tiny("gpt2"), prompts, corrupted=corrupted)
    for component in ("L0H1", "L1.mlp", "embed", "pos_embed"):
        values = _values(session, component, kind)
        for places in (None, (-1,)):
            check(session, lw.Ablate(component, kind, positions=places), values)


@pytest.mark.parametrize(
    ("name", "component"),
    [(n, c) for n in ARCHITECTURES for c in ("L1.attn", "L1.mlp", "L1H0") if _has(n, c)],
)
def test_an_ablated_component_no_longer_writes_into_the_residual_stream(
    name: str, component: str
) -> None:
    session = lw.Session(tiny(name), PROMPTS[:1])
    run = session.run([lw.Ablate(component)])
    start, end = run.activation("blocks.1.hook_in"), run.activation("ln_final.hook_in")
    writers = ["hook_attn_out"] + ["hook_mlp_out"] * (name != "attn_only")
    written = {hook: run.activation(f"blocks.1.{hook}") for hook in writers}
    if component == "L1H0":
        assert not run.activation("blocks.1.attn.hook_z")[:, :, 0].any()
    else:
        written.pop("hook_attn_out" if component.endswith("attn") else "hook_mlp_out")
    total = torch.zeros_like(start) + sum(written.values())
    torch.testing.assert_close(end - start, total, atol=1e-5, rtol=0)


def test_a_negative_position_counts_from_each_prompts_own_end(session: lw.Session) -> None:
    last = session.run([lw.Ablate("L1.mlp", positions=-1)]).logits
    clean = session.run(()).logits
    for row, length in enumerate(session.prompt_set.lengths.tolist()):
        assert not torch.allclose(last[row, length - 1], clean[row, length - 1], atol=1e-3)
        torch.testing.assert_close(last[row, : length - 1], clean[row, : length - 1])


def test_several_ablations_act_together(session: lw.Session) -> None:
    run = session.run([lw.Ablate("L0H1"), lw.Ablate("L0.mlp"), lw.Ablate("L1H2", positions=-1)])
    hooks = [
        reference.write("blocks.0.attn.hook_z", 0.0, head=1),
        reference.write("blocks.0.hook_mlp_out", 0.0),
        reference.write("blocks.1.attn.hook_z", 0.0, head=2, at=[-1]),
    ]
    for row, tokens in enumerate(rows(session)):
        expected = reference.logits(session.model, tokens, hooks)
        got = run.logits[row, : tokens.shape[1]]
        torch.testing.assert_close(got, expected, atol=2e-5, rtol=0)


def test_the_mean_is_the_clean_runs_whatever_else_is_in_force(session: lw.Session) -> None:
    alone = session.run([lw.Ablate("L1.mlp", "mean")]).activation("blocks.1.hook_mlp_out")
    both = session.run([lw.Ablate("L0.mlp"), lw.Ablate("L1.mlp", "mean")])
    assert torch.equal(both.activation("blocks.1.hook_mlp_out"), alone)
