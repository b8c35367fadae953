"""Each unpromised name of TransformerLens, tried where it matters: a new version breaks these."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from torch import nn

import lens_widgets
from lens_widgets.engine import transformer_lens_private as private
from tests.models import D_HEAD, LOGIT_CAPS, LOGIT_DIVISORS, N_HEADS, fresh, tiny

TOKENS = torch.tensor([[4, 5, 6]])


def test_the_names_are_those_of_the_version_in_use() -> None:
    assert version("transformer_lens").startswith(f"{private.VERSION}."), (
        "read engine/transformer_lens_private.py against the new version, then raise VERSION"
    )


def test_attention_still_keeps_its_last_pattern_and_it_can_be_dropped() -> None:
    """If this fails at the first assertion, ``drop_kept_patterns`` has nothing left to do."""
    model = fresh("gpt2")
    with torch.no_grad():
        before = model(TOKENS)
    assert [tuple(block.attn._pattern.shape) for block in model.blocks] == [(1, N_HEADS, 3, 3)] * 2
    private.drop_kept_patterns(model)
    assert [block.attn._pattern for block in model.blocks] == [None, None]
    with torch.no_grad():
        assert torch.equal(model(TOKENS), before)


@pytest.mark.parametrize(("name", "scale"), [("granite", 0.3), ("gpt2", 1.0), ("llama", 1.0)])
def test_attention_is_scaled_as_it_says(name: str, scale: float) -> None:
    """What a block adds to the stream is the scale times what attention puts out."""
    model = tiny(name)
    attention = model.blocks[0].attn
    assert private.attention_scale(attention) == pytest.approx(scale)
    _, cache = model.run_with_cache(TOKENS)
    added = cache["blocks.0.hook_resid_mid"] - cache["blocks.0.hook_resid_pre"]
    z = cache["blocks.0.attn.hook_z"].reshape(1, 3, N_HEADS, D_HEAD)
    written = torch.einsum("bphd,hdm->bpm", z, attention.W_O.detach())
    if getattr(attention, "b_O", None) is not None:
        written = written + attention.b_O.detach()
    torch.testing.assert_close(added, scale * written, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "native", "granite"])
def test_logits_are_the_unembeddings_output_transformed(name: str) -> None:
    model = tiny(name)
    transform = private.logits_transform(model)
    kept: list[torch.Tensor] = []
    hook = model.unembed.register_forward_hook(lambda _m, _a, output: kept.append(output.clone()))
    try:
        with torch.no_grad():
            logits = model(TOKENS)
    finally:
        hook.remove()
    (raw,) = kept
    expected = raw / LOGIT_DIVISORS.get(name, 1.0)
    if name in LOGIT_CAPS:
        expected = LOGIT_CAPS[name] * torch.tanh(expected / LOGIT_CAPS[name])
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(raw if transform is None else transform(raw.clone()), expected)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bloom", "opt", "gptj"])
@pytest.mark.parametrize("part", ["attn.o", "mlp"])
def test_a_part_calls_the_module_that_it_wraps(name: str, part: str) -> None:
    component = tiny(name).blocks[0].get_submodule(part)
    module = private.wrapped_module(component)
    assert isinstance(module, nn.Module)
    called: list[nn.Module] = []
    hook = module.register_forward_hook(lambda m, _args, _output: called.append(m))
    try:
        with torch.no_grad():
            tiny(name)(TOKENS)
    finally:
        hook.remove()
    assert called == [module]


def test_what_wraps_nothing_has_no_module() -> None:
    assert private.wrapped_module(nn.Identity()) is None
    assert private.wrapped_module(None) is None


def test_parameter_names_lose_their_wrappers() -> None:
    names = [name for name, _ in nn.Module.named_parameters(tiny("gpt2"))]
    assert any("_original_component." in name for name in names), "no wrapper to take off"
    plain = [private.plain_name(name) for name in names]
    assert len(set(plain)) == len(plain)
    assert not any("original_component" in name for name in plain)
    assert "blocks.0.attn.q.weight" in plain


PRIVATE = re.compile(
    r"_original_component|[\"'.]original_component|_result_contribution_scale"
    r"|apply_output_logits_transform|\bmodel\._|\battn\._|\battention\._|\bblock\._"
)


def test_unpromised_names_are_used_in_one_module_alone() -> None:
    root = Path(lens_widgets.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if PRIVATE.search(path.read_text(encoding="utf-8"))
    }
    # A script for users applies the transform by the adapter's name, as they would.
    assert found == {
        "engine/transformer_lens_private.py",
        "analysis/attribution/attribution_script.py",
    }
