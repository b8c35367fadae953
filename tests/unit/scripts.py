"""Running scripts as their reader does, who has the model and the tokens and nothing of ours."""

from __future__ import annotations

import ast
from typing import Any

import torch

import lens_widgets as lw
from tests.models import D_HEAD, D_MODEL, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS

MODELS = ("gpt2", "gpt2_folded", "llama", "gemma2", "neox", "native", "attn_only")
"""LayerNorm, none to speak of, RMSNorm with grouped queries, norms after the parts and soft caps,
parallel parts, and models native to TransformerLens with and without MLPs."""


def edited(name: str, **options: Any) -> lw.Session:
    """Prompts of two lengths under interventions of every kind, on heads and on the stream."""
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED, **options)
    for item in (
        lw.Ablate("L0H1", "mean"),
        lw.Ablate("L1H0", "resample", positions=-1),
        lw.Patch("blocks.0.attn.hook_q", head=2, positions=(1, 2)),
        lw.Patch("L0H3", source="corrupted"),
        lw.Steer("blocks.1.hook_resid_pre", _vector(D_MODEL), 0.5, positions=(2, -1)),
        lw.Steer("blocks.0.attn.hook_v", _vector(D_HEAD), 0.7),
    ):
        session.interventions.add(item)
    return session


def execute(session: lw.Session, code: str, **given: Any) -> dict[str, Any]:
    """What a script leaves. It may import torch and transformer_lens, and touch no gradients."""
    imported = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported <= {"torch", "transformer_lens"}
    scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens, **given}
    exec(compile(code, "script", "exec"), scope)
    left = [name.strip("`") for name in code.split("leaves ")[1].split(".\n")[0].split(", ")]
    values = {name: scope[name] for name in left}
    for value in values.values():
        assert not isinstance(value, torch.Tensor) or not value.requires_grad
    return values


def _vector(size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(5))
