"""``to_code`` is a script of plain TransformerLens that gives the same logits."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.interventions.base import Intervention
from tests.models import ARCHITECTURES, D_HEAD, D_MODEL, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS

SAME_LENGTH = ["w5 w6 w7 w8", "w11 w12 w13 w14"]
SAME_LENGTH_CORRUPTED = ["w15 w6 w17 w8", "w11 w22 w13 w24"]


def _vector(size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(5))


def _every_kind(name: str) -> list[Intervention]:
    mlp = "L0.attn" if name == "attn_only" else "L0.mlp"
    return [
        lw.Ablate("L0H1"),
        lw.Ablate(mlp, "mean"),
        lw.Ablate("L1H0", "mean", positions=-1),
        lw.Ablate("L1H2", "resample", positions=(1, -2)),
        lw.Ablate("embed", positions=2),
        lw.Patch("L1H3"),
        lw.Patch("blocks.1.hook_resid_pre", positions=(0, -1)),
        lw.Patch("L0.attn", positions=3, source="clean"),
        lw.Steer("L1.attn", _vector(D_MODEL), 0.25),
        lw.Steer("L1H1", _vector(D_HEAD), -2.0, positions=-1),
        lw.Steer("blocks.1.attn.hook_v", _vector(D_HEAD), 0.1 + 0.2, positions=(0, 1)),
        lw.Steer("unembed.hook_out", _vector(60), positions=-1),
    ]


def execute(session: lw.Session, code: str) -> torch.Tensor:
    """What a reader of the script gets who has only the model and the tokens."""
    scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
    exec(compile(code, "to_code", "exec"), scope)
    return scope["logits"]


def check(session: lw.Session) -> None:
    logits = execute(session, session.interventions.to_code())
    for row, length in enumerate(session.prompt_set.lengths.tolist()):
        got, expected = logits[row, :length], session.run().logits[row, :length]
        torch.testing.assert_close(got, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(
    ("prompts", "corrupted"), [(PROMPTS, CORRUPTED), (SAME_LENGTH, SAME_LENGTH_CORRUPTED)]
)
def test_all_kinds_together_give_the_sessions_logits(
    name: str, prompts: list[str], corrupted: list[str]
) -> None:
    session = lw.Session(tiny(name), prompts, corrupted=corrupted)
    for item in _every_kind(name):
        session.interventions.add(item)
    check(session)


@pytest.mark.parametrize("index", range(len(_every_kind("gpt2"))))
@pytest.mark.parametrize(
    ("prompts", "corrupted"), [(PROMPTS, CORRUPTED), (SAME_LENGTH, SAME_LENGTH_CORRUPTED)]
)
def test_each_kind_alone_gives_the_sessions_logits(
    index: int, prompts: list[str], corrupted: list[str]
) -> None:
    session = lw.Session(tiny("gpt2"), prompts, corrupted=corrupted)
    session.interventions.add(lw.Ablate("L0H0"))
    before = session.run().logits
    session.interventions.add(_every_kind("gpt2")[index])
    check(session)
    assert not torch.allclose(session.run().logits, before, atol=1e-3)


@pytest.mark.parametrize("positions", [None, -1, (0, -2)])
def test_a_patched_pattern_gives_the_sessions_logits(positions: Any) -> None:
    for prompts, corrupted in ((PROMPTS, CORRUPTED), (SAME_LENGTH, SAME_LENGTH_CORRUPTED)):
        session = lw.Session(tiny("gpt2"), prompts, corrupted=corrupted)
        session.interventions.add(lw.Patch("blocks.1.attn.hook_pattern", positions=positions))
        check(session)


@pytest.mark.parametrize("component", ["pos_embed", "embed", "L0H0"])
@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_embeddings_of_prompts_of_one_length_give_the_sessions_logits(
    component: str, kind: Any
) -> None:
    session = lw.Session(tiny("gpt2"), SAME_LENGTH, corrupted=SAME_LENGTH_CORRUPTED)
    session.interventions.add(lw.Ablate(component, kind, positions=(1, -1)))
    check(session)


def test_without_interventions_the_script_is_the_plain_run(session: lw.Session) -> None:
    check(session)


def test_two_interventions_on_one_component_act_in_order(session: lw.Session) -> None:
    vector = _vector(D_HEAD)
    session.interventions.add(lw.Steer("L1H2", vector))
    session.interventions.add(lw.Steer("L1H2", vector, 2.0, positions=-1))
    session.interventions.add(lw.Ablate("L1H2", positions=1))
    check(session)


def test_switched_off_interventions_are_left_out(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L0H1"))
    session.interventions.set_enabled(session.interventions.entries[0].key, False)
    assert "hook_z" not in session.interventions.to_code()
    check(session)


def test_vectors_and_scales_are_written_in_full(session: lw.Session) -> None:
    session.interventions.add(lw.Steer("embed", _vector(D_MODEL), 1 / 3))
    logits = execute(session, session.interventions.to_code())
    assert torch.equal(logits[0], session.run().logits[0])


def test_the_script_imports_nothing_but_torch_and_transformer_lens(session: lw.Session) -> None:
    for item in _every_kind("gpt2"):
        session.interventions.add(item)
    imported = set()
    for node in ast.walk(ast.parse(session.interventions.to_code())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported <= {"torch", "transformer_lens"}
    assert "torch" in imported


def test_the_script_leaves_the_model_without_hooks_and_without_gradients() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    for item in _every_kind("gpt2"):
        session.interventions.add(item)
    assert not execute(session, session.interventions.to_code()).requires_grad
