"""Hooks of a user: those added under a session are noticed, those it finds are in every number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.session.runs import PromptRuns
from tests.models import D_MODEL, fresh
from tests.unit.changed_models import (
    ANSWERS,
    TEXTS,
    effect,
    in_a_cell,
    is_right,
    session_of,
    told,
)
from tests.unit.page import Page


def test_a_hook_that_is_added_is_never_mixed_into_numbers_of_before() -> None:
    model = fresh("gpt2")
    session = session_of(model)
    page = Page(session)
    assert effect(session) == pytest.approx(0.165, abs=1e-3)
    session.interventions.toggle("L0H1")
    kept = session.current.tolist()
    in_a_cell(lambda: model.add_hook("blocks.0.hook_mlp_out", lambda x, hook: x * 0))
    said = "a hook was added at blocks.0.mlp.hook_out"
    for ask in (
        lambda: effect(session),
        lambda: session.baseline,
        lambda: session.current,
        lambda: session.set_prompts(TEXTS[:1], answers=ANSWERS),
        lambda: session.metric_with(()),
        lambda: session.run([lw.Ablate("L1H1")]),
    ):
        with pytest.raises(InputError, match=said) as raised:
            ask()
        assert "session.refresh()" in raised.value.hint
    assert said in told(page)
    in_a_cell(model.reset_hooks)
    assert session.current.tolist() == kept, "it is the model of before again"
    model.add_hook("blocks.0.hook_mlp_out", lambda x, hook: x * 0)
    session.refresh()
    session.interventions.clear()
    assert effect(session) == pytest.approx(0.091, abs=1e-3)
    is_right(session)


def _doubled(_module: Any, _args: Any, output: Any) -> Any:
    return output * 2


def _halved_input(_module: Any, args: tuple[Any, ...]) -> Any:
    return (args[0] * 0.5, *args[1:])


def _scaled_logits(_module: Any, _args: Any, output: Any) -> Any:
    output.logits = output.logits * torch.linspace(0.5, 1.5, output.logits.shape[-1])
    return output


def _first_prompt(x: Tensor, hook: Any) -> Tensor:
    x = x.clone()
    x[0] *= 0.25
    return x


def _last_position(x: Tensor, hook: Any) -> Tensor:
    x = x.clone()
    x[:, 4] += torch.linspace(-1, 1, D_MODEL)
    return x


def _steered(x: Tensor, hook: Any) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return x + torch.randn((2, 5, D_MODEL), generator=generator)


def _ours() -> Any:
    runs = session_of(fresh("gpt2"))._runs
    assert isinstance(runs, PromptRuns)
    (hook,) = lw.Ablate("L1H1").hooks(runs)
    return hook


HOOKS: dict[str, Callable[[Any], Any]] = {
    "a zeroed MLP": lambda m: m.add_hook("blocks.0.hook_mlp_out", lambda x, hook: x * 0),
    "permanent": lambda m: m.add_hook(
        "blocks.1.attn.hook_z", lambda x, hook: x * 0.5, is_permanent=True
    ),
    "one prompt": lambda m: m.add_hook("blocks.0.hook_resid_post", _first_prompt),
    "one position": lambda m: m.add_hook("blocks.1.hook_resid_pre", _last_position),
    "made for these prompts": lambda m: m.add_hook("blocks.0.hook_resid_pre", _steered),
    "one of ours": lambda m: m.add_hook(*_ours()),
    "torch, a linear map": lambda m: m.blocks[0].mlp.out.original_component.register_forward_hook(
        _doubled
    ),
    "torch, a norm": lambda m: m.blocks[1].ln1.register_forward_hook(_doubled),
    "torch, queries": lambda m: m.blocks[0].attn.q.original_component.register_forward_hook(
        _doubled
    ),
    "torch, before a block": lambda m: m.blocks[1].register_forward_pre_hook(_halved_input),
    "torch, the unembedding": lambda m: m.unembed.register_forward_hook(_doubled),
    "torch, the whole model": lambda m: m.original_model.register_forward_hook(_scaled_logits),
}


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_belong_to_every_number_of_a_session_that_finds_them(name: str) -> None:
    model = fresh("gpt2")
    before = session_of(model)
    without = before.baseline.clone()
    HOOKS[name](model)
    with pytest.raises(InputError, match=r"a hook was added at [a-z_.0-9]+"):
        effect(before)
    session = session_of(model)
    assert not torch.allclose(session.baseline, without, atol=1e-3)
    is_right(session)
    before.refresh()
    is_right(before)
    notes = "\n".join(session.notes)
    assert "Every change takes a whole forward: hooks of yours run in this model, at" in notes
    assert "Direct effects are refused" in notes
    with pytest.raises(InputError, match="hooks of yours run in it"):
        lw.analysis.attribution(session)


def test_every_kind_of_sweep_includes_a_hook_that_was_there() -> None:
    model = fresh("gpt2")
    model.add_hook("blocks.0.hook_resid_post", _first_prompt)
    corrupted = ["w5 w6 w9 w8", "w9 w6 w5 w8"]
    session = lw.Session(model, TEXTS, answers=ANSWERS, corrupted=corrupted)
    patched = lw.analysis.patch_sweep(session, "resid_pre")
    tokens, other = model.to_tokens(TEXTS), model.to_tokens(corrupted)
    kept: list[Tensor] = []
    with torch.no_grad():
        model.run_with_hooks(
            tokens, fwd_hooks=[("blocks.1.hook_resid_pre", lambda x, hook: kept.append(x.clone()))]
        )
        for position in range(tokens.shape[1]):

            def put(x: Tensor, hook: Any, position: int = position) -> Tensor:
                return torch.cat(
                    [x[:, :position], kept[0][:, position : position + 1], x[:, position + 1 :]],
                    dim=1,
                )

            logits = model.run_with_hooks(other, fwd_hooks=[("blocks.1.hook_resid_pre", put)])
            expected = (logits[:, -1, 20] - logits[:, -1, 21]).mean().item()
            assert patched.sel(layer=1, pos=position).item() == pytest.approx(expected, abs=2e-5)
    with pytest.raises(InputError, match="backward pass"):
        lw.analysis.estimate_sweep(session, "resid_pre")


def test_hooks_on_every_module_count_too() -> None:
    model = fresh("gpt2")
    session = session_of(model)
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        with pytest.raises(InputError, match="a hook was added at every module"):
            _ = session.baseline
    finally:
        handle.remove()
    assert session.baseline.isfinite().all()
