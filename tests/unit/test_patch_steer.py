"""Patches and steering equal plain hooked forwards, in the order given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.interventions.base import Intervention
from tests.models import ARCHITECTURES, D_HEAD, D_MODEL, tiny
from tests.unit import reference
from tests.unit.cases import CORRUPTED, PROMPTS, corrupted_rows, rows


def _vector(size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(3))


def check(session: lw.Session, items: list[Intervention], hooks: list[list[Any]]) -> None:
    """Compares the session's run with plain hooks, one list a prompt."""
    run = session.run(items)
    for row, (tokens, plain) in enumerate(zip(rows(session), hooks, strict=True)):
        expected = reference.logits(session.model, tokens, plain)
        got = run.logits[row, : tokens.shape[1]]
        torch.testing.assert_close(got, expected, atol=3e-5, rtol=0)
        assert not torch.allclose(got, reference.logits(session.model, tokens), atol=1e-3)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(
    ("target", "hook", "head"),
    [
        ("L1H2", "blocks.1.attn.hook_z", 2),
        ("L0.attn", "blocks.0.hook_attn_out", None),
        ("blocks.1.hook_resid_pre", "blocks.1.hook_resid_pre", None),
        ("blocks.0.hook_resid_post", "blocks.0.hook_resid_post", None),
        ("blocks.1.attn.hook_q", "blocks.1.attn.hook_q", None),
        ("hook_embed", "hook_embed", None),
    ],
)
def test_a_patch_puts_in_the_corrupted_value(
    name: str, target: str, hook: str, head: int | None
) -> None:
    session = lw.Session(tiny(name), PROMPTS, corrupted=CORRUPTED)
    given = [reference.activation(session.model, t, hook) for t in corrupted_rows(session)]
    values = given if head is None else [value[:, head] for value in given]
    for places, at in ((None, None), ((3, -1), [3, -1])):
        hooks = [[reference.write(hook, value, head, at)] for value in values]
        item = lw.Patch(target, positions=places)
        run = session.run([item])
        for row, (tokens, plain) in enumerate(zip(rows(session), hooks, strict=True)):
            expected = reference.logits(session.model, tokens, plain)
            got = run.logits[row, : tokens.shape[1]]
            torch.testing.assert_close(got, expected, atol=3e-5, rtol=0)


def test_patching_all_of_the_stream_gives_the_corrupted_run(session: lw.Session) -> None:
    run = session.run([lw.Patch("blocks.0.hook_resid_pre")])
    torch.testing.assert_close(run.metric, session.corrupted_run().metric, atol=1e-5, rtol=0)


def test_a_clean_patch_restores_what_was_changed_before_it(session: lw.Session) -> None:
    items = [lw.Ablate("L0.mlp"), lw.Patch("blocks.0.hook_resid_post", source="clean")]
    torch.testing.assert_close(session.run(items).logits, session.run(()).logits)
    only_heads = [lw.Ablate("L0.mlp"), lw.Patch("L1H2", source="clean")]
    hooks = [
        [
            reference.write("blocks.0.hook_mlp_out", 0.0),
            reference.write(
                "blocks.1.attn.hook_z",
                reference.activation(session.model, tokens, "blocks.1.attn.hook_z")[:, 2],
                head=2,
            ),
        ]
        for tokens in rows(session)
    ]
    check(session, list(only_heads), hooks)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(
    "hook",
    [
        "hook_embed",
        "blocks.0.hook_resid_pre",
        "blocks.1.hook_in",
        "blocks.0.hook_attn_out",
        "blocks.1.hook_resid_post",
        "ln_final.hook_out",
        "unembed.hook_out",
    ],
)
def test_steering_adds_a_vector(name: str, hook: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    vector = _vector(session.facts.hooks[hook][-1])
    plain = reference.add(hook, -0.5 * vector, at=(1, -1))
    check(session, [lw.Steer(hook, vector, -0.5, positions=(1, -1))], [[plain], [plain]])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_steering_a_head_moves_that_head_alone(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    vector = _vector(D_HEAD)
    plain = [
        [reference.add("blocks.1.attn.hook_z", 2.0 * vector, 3, range(t.shape[1]))]
        for t in rows(session)
    ]
    check(session, [lw.Steer("L1H3", vector, 2.0)], plain)


def test_positions_of_a_pattern_are_its_queries() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, corrupted=CORRUPTED)
    name = "blocks.1.attn.hook_pattern"

    def plain(given: Tensor, query: int) -> tuple[str, Any]:
        def edit(pattern: Tensor, hook: Any) -> Tensor:
            pattern = pattern.clone()
            pattern[0, :, query] = given[:, query]
            return pattern

        return name, edit

    given = [reference.activation(session.model, t, name) for t in corrupted_rows(session)]
    check(session, [lw.Patch(name, positions=-1)], [[plain(value, -1)] for value in given])


def test_steering_all_heads_at_once(session: lw.Session) -> None:
    vector = _vector(D_HEAD)
    plain = reference.add("blocks.0.attn.hook_v", vector, at=(0, 2))
    item = lw.Steer("blocks.0.attn.hook_v", vector, positions=(0, 2))
    check(session, [item], [[plain], [plain]])


def test_interventions_act_in_the_order_given(session: lw.Session) -> None:
    vector = _vector(D_HEAD)
    steer, zero = lw.Steer("L1H2", vector, positions=-1), lw.Ablate("L1H2", positions=-1)
    z = "blocks.1.attn.hook_z"
    write, add = reference.write(z, 0.0, head=2, at=[-1]), reference.add(z, vector, head=2)
    check(session, [steer, zero], [[add, write]] * 2)
    check(session, [zero, steer], [[write, add]] * 2)
    assert not torch.allclose(
        session.run([steer, zero]).metric, session.run([zero, steer]).metric, atol=1e-3
    )


def test_order_counts_between_names_of_one_hook_too(session: lw.Session) -> None:
    vector = _vector(D_MODEL)
    steer = lw.Steer("blocks.0.hook_out", vector, positions=-1)
    zero = lw.Steer("blocks.0.hook_resid_post", -vector, 3.0, positions=-1)
    plain = reference.add("blocks.0.hook_out", -2.0 * vector)
    check(session, [steer, zero], [[plain]] * 2)


@pytest.mark.parametrize("form", [list, tuple, torch.tensor])
def test_a_vector_may_be_a_list_or_a_tensor(session: lw.Session, form: Any) -> None:
    vector = _vector(D_MODEL)
    plain = reference.add("hook_embed", vector)
    check(session, [lw.Steer("embed", form(vector.tolist()), positions=-1)], [[plain]] * 2)
