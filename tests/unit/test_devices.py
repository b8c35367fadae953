"""Models whose blocks are on two devices: pretended ones, placed by accelerate's own hooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from accelerate import dispatch_model
from transformer_lens.model_bridge import TransformerBridge

from lens_widgets.analysis.weights.factored import FactoredCircuit
from lens_widgets.engine.memory import CEILING_BYTES, SHARE, row_budget
from lens_widgets.engine.model import devices_of
from tests.architectures import build, plain
from tests.models import word_tokenizer
from tests.pretended import Mixed, PretendedDevices
from tests.unit.every_question import answers_of, session_of
from tests.unit.some_numbers import small_session, some_numbers

FIRST, SECOND = "cuda:0", "cuda:1"
LLAMA = {
    "model.embed_tokens": FIRST,
    "model.rotary_emb": FIRST,
    "model.layers.0": FIRST,
    "model.layers.1": SECOND,
    "model.norm": SECOND,
    "lm_head": SECOND,
}
# Its unembedding is its embedding, which must be on one device.
GPT2 = {
    "transformer.wte": FIRST,
    "transformer.wpe": FIRST,
    "transformer.h.0": FIRST,
    "transformer.h.1": SECOND,
    "transformer.ln_f": SECOND,
    "lm_head": FIRST,
}
MAPS = {
    "LlamaForCausalLM": LLAMA,
    "GPT2LMHeadModel": GPT2,
    # Tied, as that of GPT-2 is.
    "Gemma2ForCausalLM": LLAMA | {"lm_head": FIRST},
}


def _free(device: Any) -> tuple[int, int]:
    return {FIRST: 8 << 30, SECOND: 1 << 30}[str(device)], 16 << 30


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedDevices]:
    monkeypatch.setattr(torch.cuda, "mem_get_info", _free)
    pretended = PretendedDevices()
    with pretended.on():
        yield pretended


def spread_model(name: str) -> TransformerBridge:
    """Placed and bridged as ``from_pretrained(..., device_map=...)`` would have it."""
    hf: Any = dispatch_model(plain(name), device_map=MAPS[name])
    hf.config.architectures = [name]
    return TransformerBridge.boot_transformers(
        f"tiny {name}", hf_model=hf, tokenizer=word_tokenizer()
    ).eval()


def numbers(answer: Any) -> dict[str, np.ndarray]:
    """All numbers of an answer, by name."""
    if isinstance(answer, FactoredCircuit):
        answer = answer.tile(range(8), range(8))
    if isinstance(answer, xr.DataArray):
        answer = answer.to_dataset(name="values")
    if not isinstance(answer, xr.Dataset):
        return {}
    found = {str(name): each.values for name, each in answer.variables.items()}
    found |= {name: np.asarray(value) for name, value in answer.attrs.items()}
    return {name: values for name, values in found.items() if values.dtype.kind in "biuf"}


def test_every_answer_is_that_of_the_model_on_one_device(devices: PretendedDevices) -> None:
    one = session_of(build("LlamaForCausalLM"))
    expected, refused = answers_of(one)
    session = session_of(spread_model("LlamaForCausalLM"))
    got, not_got = answers_of(session)
    assert devices.mixed == []
    assert devices.moves > 0
    places = "layer 0 on cuda:0; layer 1, final norm, unembedding on cuda:1"
    known = replace(one.facts, device=FIRST, places=places)
    assert vars(session.facts) == vars(known)
    assert {k: str(v) for k, v in not_got.items()} == {k: str(v) for k, v in refused.items()}
    assert got.keys() == expected.keys()
    for asked, answer in expected.items():
        found = numbers(got[asked])
        for variable, values in numbers(answer).items():
            np.testing.assert_allclose(
                found[variable], values, rtol=1e-5, atol=1e-5, err_msg=f"{asked}: {variable}"
            )


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "Gemma2ForCausalLM"])
def test_numbers_are_those_of_the_model_on_one_device(name: str, devices: PretendedDevices) -> None:
    expected = some_numbers(small_session(build(name)))
    got = some_numbers(small_session(spread_model(name)))
    assert devices.mixed == []
    for key, values in expected.items():
        np.testing.assert_allclose(got[key], values, rtol=1e-5, atol=1e-5, err_msg=key)


def test_budgets_are_those_of_the_device_with_the_least_memory(devices: PretendedDevices) -> None:
    model = spread_model("LlamaForCausalLM")
    assert [str(each) for each in devices_of(model)] == [FIRST, SECOND]
    row = row_budget(model, 4, False, SHARE * _free(SECOND)[0] / 2**30)
    assert row_budget(model, 4, False, None) == row
    assert row < row_budget(model, 4, False, CEILING_BYTES / 2**30)


def test_what_is_pretended_is_what_torch_does(devices: PretendedDevices) -> None:
    here, there = torch.ones(2, 2, device=FIRST), torch.ones(2, 2, device=SECOND)
    assert [str(t.device) for t in (here.T, here[0], here * 2.0, here.to(there))] == [
        FIRST,
        FIRST,
        FIRST,
        SECOND,
    ]
    for work in (
        lambda: here @ there,
        lambda: torch.cat([here, there]),
        lambda: here + torch.ones(2, 2),
        lambda: here.index_select(0, torch.tensor([1])),
    ):
        with pytest.raises(Mixed):
            work()
    with pytest.raises(TypeError):
        here.numpy()
    assert str((here + torch.tensor(1.0))[torch.tensor([0])].device) == FIRST
    leaf = here.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad((leaf.to(there.device) @ there).sum(), leaf)
    assert str(slope.device) == FIRST
