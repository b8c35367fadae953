"""RelP's backward pass is that of hand-written modules on the plain Hugging Face model, and its
forward the model's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lens_widgets as lw
from lens_widgets.engine.gradients import Slopes
from lens_widgets.engine.relp import RelP
from lens_widgets.errors import InputError
from tests.architectures import build, plain
from tests.models import native, tiny, traces
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS

TOKENS = torch.tensor([[5, 6, 7, 8, 9, 10]])
ANSWER = (30, 31)


class HeldLayerNorm(nn.Module):
    """Its scale is a constant to the backward pass."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + self.norm.eps).sqrt()
        return centred / scale.detach() * self.norm.weight + self.norm.bias


class HeldRMSNorm(nn.Module):
    """The same of a root mean square norm; Gemma keeps its weight less 1."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm = norm
        self.eps = getattr(norm, "eps", None) or norm.variance_epsilon

    def forward(self, x: Tensor) -> Tensor:
        scale = (x.square().mean(-1, keepdim=True) + self.eps).sqrt()
        offset = 1.0 if "Gemma" in type(self.norm).__name__ else 0.0
        return x / scale.detach() * (self.norm.weight + offset)


class Quotient(nn.Module):
    """``x * (f(x) / x)``, the quotient a constant; its limit at 0 is one half for GELU and SiLU."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        quotient = torch.where(x == 0, torch.full_like(x, 0.5), self.function(x) / x)
        return x * quotient.detach()


class HalvedMLP(nn.Module):
    """A gated MLP each of whose factors gets half of the gradient."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.mlp = mlp
        self.act = Quotient(mlp.act_fn)

    def forward(self, x: Tensor) -> Tensor:
        gate, linear = self.act(self.mlp.gate_proj(x)), self.mlp.up_proj(x)
        halves = gate * linear.detach() + gate.detach() * linear
        result: Tensor = self.mlp.down_proj(0.5 * halves)
        return result


def _by_hand(module: nn.Module) -> None:
    """Puts these in place of a Hugging Face model's own modules."""
    for name, child in module.named_children():
        if isinstance(child, nn.LayerNorm):
            setattr(module, name, HeldLayerNorm(child))
        elif "RMSNorm" in type(child).__name__:
            setattr(module, name, HeldRMSNorm(child))
        elif hasattr(child, "gate_proj"):
            setattr(module, name, HalvedMLP(child))
        elif name in ("act", "activation_fn") or "GELU" in type(child).__name__:
            setattr(module, name, Quotient(child))
        else:
            _by_hand(child)


def _expected(hf: Any) -> list[Tensor]:
    """The gradient of the answer's logit difference by what enters each block."""
    streams = hf(TOKENS, output_hidden_states=True, use_cache=False)
    logits = streams.logits[0, -1]
    entering = streams.hidden_states[:-1]
    return list(torch.autograd.grad(logits[ANSWER[0]] - logits[ANSWER[1]], entering))


MODELS = {
    "GPT2LMHeadModel": "GPT-2: LayerNorm, one activation",
    "GPTNeoXForCausalLM": "attention and MLP side by side",
    "LlamaForCausalLM": "gated, grouped queries",
    "Gemma2ForCausalLM": "norms behind attention and MLP, weights less 1, soft caps",
    "Olmo2ForCausalLM": "norms behind alone, and of queries and keys",
    "Qwen3ForCausalLM": "norms of each head's queries and keys",
    "PhiForCausalLM": "one norm before attention and MLP",
}


@pytest.mark.parametrize("name", MODELS)
def test_backward_is_that_of_hand_written_modules(name: str) -> None:
    hf, model = plain(name), build(name)
    for mlp in (each for each in hf.modules() if hasattr(each, "c_fc")):
        # One neuron's input is 0 everywhere, where the quotient has no value.
        mlp.c_fc.weight.data[:, 0], mlp.c_fc.bias.data[0] = 0.0, 0.0
    if name == "GPT2LMHeadModel":
        for block in model.blocks:
            inner = getattr(block.mlp, "in").original_component
            inner.weight.data[:, 0], inner.bias.data[0] = 0.0, 0.0
    _by_hand(hf)
    session = lw.Session(model, TOKENS, answers=ANSWER, corrupted=TOKENS.flip(1))
    before = traces(model)
    names = [f"blocks.{layer}.hook_in" for layer in range(2)]
    found = session.gradients(Slopes(names, relp=RelP()))
    for hook, expected in zip(names, _expected(hf), strict=True):
        scale = float(expected.abs().max())
        torch.testing.assert_close(found.gradients[hook], expected, atol=2e-5 * scale, rtol=0)
    plainly = session.gradients(Slopes(names)).gradients[names[0]]
    assert not torch.allclose(plainly, found.gradients[names[0]], rtol=1e-2)
    assert traces(model) == before


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma2", "granite", "native"])
@pytest.mark.parametrize("patterns", [False, True])
def test_forward_is_left_alone(name: str, patterns: bool) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    session.interventions.add(lw.Ablate("L0H1"))
    watched = [f"blocks.{layer}.hook_out" for layer in range(2)]
    found, plainly = (
        session.gradients(Slopes(["blocks.0.hook_in"], watched=watched, relp=rules)).activations
        for rules in (RelP(patterns), None)
    )
    for hook in watched:
        assert torch.equal(found[hook], plainly[hook])
        torch.testing.assert_close(found[hook], session.run().activation(hook), atol=1e-5, rtol=0)


def test_nothing_flows_through_detached_patterns() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    for node, moved in (("q", False), ("v", True)):
        found = lw.analysis.estimate_sweep(session, node, method="relp", detach_patterns=True)
        assert bool((abs(found - found.attrs["corrupted"]) > 1e-5).any()) is moved
    with pytest.raises(InputError, match="detach_patterns=True is a rule of RelP"):
        lw.analysis.estimate_sweep(session, "q", detach_patterns=True)
    copies = lw.Session(tiny("opt"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    with pytest.raises(InputError, match="detach_patterns=True: this model's attention ignores"):
        lw.analysis.estimate_sweep(copies, "v", method="relp", detach_patterns=True)


def test_a_neuron_that_is_switched_off_hands_nothing_back() -> None:
    """An intervention between the rule's two hooks is no part of the activation function."""
    session = lw.Session(tiny("llama"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    hook = "blocks.1.mlp.out.hook_in"
    steered = lw.Steer(hook, torch.full((48,), 0.25))
    wanted = Slopes(["blocks.1.ln2.hook_out"], relp=RelP())
    before = session.gradients(wanted).gradients["blocks.1.ln2.hook_out"]
    session.interventions.add(steered)
    after = session.gradients(wanted).gradients["blocks.1.ln2.hook_out"]
    # What is added is a constant: slopes of activations stay, and what comes later moves little.
    ratio = float((after * before).sum() / before.square().sum())
    assert ratio == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: tiny("mixtral"), "the MLP of layer 0 does not report"),
        (lambda: native(act_fn="solu", normalization_type="LN"), "entry by entry"),
        (lambda: build("FalconH1ForCausalLM"), "no rule for layer 0's mamba"),
        (lambda: build("BitNetForCausalLM"), "layer 0 has a norm that cannot be reached"),
    ],
    ids=["experts", "solu", "mamba", "hidden norm"],
)
def test_what_has_no_rule_is_refused_in_words(model: Callable[[], Any], message: str) -> None:
    session = lw.Session(model(), [PROMPTS[1]], answers=ANSWERS[0], corrupted=[CORRUPTED[1]])
    with pytest.raises(InputError, match=message):
        lw.analysis.estimate_sweep(session, "resid_pre", method="relp")
    assert bool(lw.analysis.estimate_sweep(session, "resid_pre").notnull().any())
