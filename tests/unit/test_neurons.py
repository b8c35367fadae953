"""Neuron activations are the model's, and the top tokens are where they are highest and lowest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, tiny
from tests.unit import reference
from tests.unit.cases import PROMPTS, rows

WITHOUT = ("mixtral", "attn_only")


@pytest.mark.parametrize("name", [a for a in ARCHITECTURES if a not in WITHOUT])
def test_neurons_times_their_outputs_are_the_mlps_output(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    for prompt, tokens in enumerate(rows(session)):
        values = lw.analysis.neuron_activations(session, 1, prompt=prompt)
        assert values.dims == ("pos", "layer", "neuron")
        expected = reference.activation(session.model, tokens, "blocks.1.mlp.hook_post")
        np.testing.assert_allclose(values[:, 0], expected, atol=2e-5)
        mlp = session.model.blocks[1].mlp
        bias = mlp.b_out if name not in ("llama", "gemma2", "gemma3") else None
        out = torch.as_tensor(values.values[:, 0]) @ mlp.W_out.detach()
        out = out + (bias.detach() if isinstance(bias, torch.Tensor) else 0)
        output = reference.activation(session.model, tokens, "blocks.1.mlp.out.hook_out")
        if name != "llama":
            np.testing.assert_allclose(out, output, atol=1e-3)


def test_all_layers_come_together_and_one_neuron_alone() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    everything = lw.analysis.neuron_activations(session)
    assert everything.sizes["layer"] == 2
    one = lw.analysis.neuron_activations(session, 1, 17)
    np.testing.assert_array_equal(one[:, 0, 0], everything.sel(layer=1, neuron=17))
    assert one.token.values[1] == "w5 1"


def test_neurons_follow_the_interventions() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    session.interventions.add(lw.Ablate("L1.attn"))
    hooks = [reference.write("blocks.1.hook_attn_out", 0.0)]
    expected = reference.activation(
        session.model, rows(session)[0], "blocks.1.mlp.hook_post", hooks
    )
    got = lw.analysis.neuron_activations(session, 1)
    np.testing.assert_allclose(got[:, 0], expected, atol=2e-5)


def test_top_tokens_are_the_extremes_over_all_prompts() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    top = lw.analysis.top_tokens(session, 0, 5, k=4)
    values = {}
    for prompt, tokens in enumerate(rows(session)):
        found = reference.activation(session.model, tokens, "blocks.0.mlp.hook_post")[:, 5]
        values.update({(prompt, pos): float(value) for pos, value in enumerate(found)})
    ordered = sorted(values.values())
    words = [["<bos>", *prompt.split()] for prompt in PROMPTS]
    for rank in range(4):
        for end, value in (("highest", ordered[-1 - rank]), ("lowest", ordered[rank])):
            cell = top.sel(end=end, rank=rank)
            place = int(cell.prompt), int(cell.pos)
            assert float(cell) == pytest.approx(value, abs=1e-5)
            assert float(cell) == pytest.approx(values[place], abs=1e-5)
            assert cell.token.item() == words[place[0]][place[1]]
    many = lw.analysis.top_tokens(session, 0, 5, k=50)
    assert int(many.sel(end="highest").notnull().sum()) == len(values)


def test_what_has_no_neurons_or_not_so_many_says_so() -> None:
    for name in WITHOUT:
        with pytest.raises(InputError, match=r"neuron|MLP"):
            lw.analysis.neuron_activations(lw.Session(tiny(name), PROMPTS), 0)
    session = lw.Session(tiny("gpt2"), PROMPTS)
    with pytest.raises(InputError, match=r"neuron=128.*0 to 127"):
        lw.analysis.top_tokens(session, 0, 128)
    with pytest.raises(InputError, match="layer=2"):
        lw.analysis.neuron_activations(session, 2)
    with pytest.raises(InputError, match="k=0"):
        lw.analysis.top_tokens(session, 0, 1, 0)
    with pytest.raises(InputError, match="prompt=5"):
        lw.analysis.neuron_activations(session, 0, prompt=5)
