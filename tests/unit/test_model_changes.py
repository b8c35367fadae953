"""A model that is changed under a session: noticed, refused in words, right after a refresh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import lens_widgets as lw
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, D_MODEL, fresh, hugging_face, word_tokenizer
from tests.unit.changed_models import (
    down_projection,
    effect,
    in_a_cell,
    is_right,
    session_of,
    told,
)
from tests.unit.page import Page


@pytest.fixture(autouse=True)
def _no_cell_is_left() -> Iterator[None]:
    yield
    CELL_PAUSE.end()


# --- modules ------------------------------------------------------------------------------------


class _Half(nn.Module):
    def forward(self, x: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        return x * 0.5


class _Lora(nn.Module):
    """As LoRA does it: the weights plus a product of two thin matrices."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        rows, columns = weight.shape
        self.a = nn.Parameter(torch.randn((rows, 2), generator=generator))
        self.b = nn.Parameter(0.3 * torch.randn((2, columns), generator=generator))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.a @ self.b


def _replaced(model: Any) -> None:
    model.blocks[0].mlp = _Half()


def _replaced_inside(model: Any) -> None:
    other = nn.Linear(48, D_MODEL)
    torch.manual_seed(0)
    nn.init.normal_(other.weight, std=0.3)
    model.blocks[0].mlp.original_component.down_proj = other


def _adapted(model: Any) -> None:
    parametrize.register_parametrization(
        down_projection(model), "weight", _Lora(down_projection(model).weight)
    )


def _other_forward(model: Any) -> None:
    module = down_projection(model)
    module.forward = lambda x: nn.functional.linear(x, 2 * module.weight)


def _other_epsilon(model: Any) -> None:
    model.blocks[0].ln1.original_component.variance_epsilon = 3.0


MODULES: dict[str, tuple[Callable[[Any], None], str]] = {
    "an MLP": (_replaced, r"blocks\.0\.mlp was replaced"),
    "a linear map": (_replaced_inside, r"blocks\.0\.mlp\.down_proj was replaced|was added"),
    "LoRA": (_adapted, r"blocks\.0\.mlp\.\w+ became a Parametrized"),
    "a forward": (_other_forward, r"the forward of blocks\.0\.mlp\.\w+ was replaced"),
    "an epsilon": (_other_epsilon, r"variance_epsilon of blocks\.0\.ln1 went from 1e-06 to 3"),
}


@pytest.mark.parametrize("name", MODULES)
def test_replaced_modules_are_noticed_and_right_after_a_refresh(name: str) -> None:
    change, said = MODULES[name]
    model = fresh("llama")
    session = session_of(model)
    before = session.baseline.clone()
    in_a_cell(lambda: change(model))
    for ask in (lambda: session.baseline, lambda: effect(session)):
        with pytest.raises(InputError, match=said):
            ask()
    session.refresh()
    assert not torch.allclose(session.baseline, before, atol=1e-3)
    is_right(session)
    is_right(session_of(model))


def test_a_module_that_mixes_positions_is_computed_whole() -> None:
    class Counting(nn.Module):
        """Multiplies by how many positions it is given."""

        def forward(self, x: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
            return 0.1 * x.shape[1] * x

    model = fresh("llama")
    session = session_of(model)
    model.blocks[1].mlp.original_component.act_fn = Counting()
    with pytest.raises(InputError, match="act_fn was replaced"):
        _ = session.baseline
    session.refresh()
    is_right(session)


def test_a_class_whose_forward_is_replaced_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fresh("llama")
    session = session_of(model)
    cls = type(model.blocks[0].mlp.original_component.act_fn)
    forward = cls.forward
    monkeypatch.setattr(cls, "forward", lambda self, x: 0.5 * forward(self, x))
    with pytest.raises(InputError, match=f"the forward of the class {cls.__name__} was replaced"):
        _ = session.baseline
    session.refresh()
    is_right(session)


def test_a_part_in_training_mode_is_noticed() -> None:
    model = fresh("gpt2")
    session = session_of(model)
    model.blocks[1].train()
    with pytest.raises(InputError, match=r"blocks\.1 was put into training mode"):
        _ = session.baseline
    model.eval()
    assert session.baseline.isfinite().all()


# --- weights ------------------------------------------------------------------------------------


def _embedding(model: Any) -> Tensor:
    weight: Tensor = model.embed.original_component.weight.data
    return weight


def _row(model: Any) -> None:
    down_projection(model).weight.data[:, 7] = 0


def _one_entry(model: Any) -> None:
    down_projection(model).weight.data[3, 5] += 1e-3


def _numpy(model: Any) -> None:
    down_projection(model).weight.detach().numpy()[4] *= 2


def _swapped_rows(model: Any) -> None:
    _embedding(model)[[6, 7]] = _embedding(model)[[7, 6]]


def _swapped_columns(model: Any) -> None:
    weight = down_projection(model).weight.data
    weight[:, [2, 4]] = weight[:, [4, 2]]


def _other_tensor(model: Any) -> None:
    down_projection(model).weight.data = 1.5 * down_projection(model).weight.data


def _other_parameter(model: Any) -> None:
    down_projection(model).weight = nn.Parameter(1.5 * down_projection(model).weight.detach())


def _slower_rotation(model: Any) -> None:
    model.rotary_emb.original_component.inv_freq.data *= 0.1


def _edited_in_double_precision(model: Any) -> None:
    model.double()
    _row(model)
    model.float()


WRITES = [
    _row,
    _one_entry,
    _numpy,
    _swapped_rows,
    _swapped_columns,
    _other_tensor,
    _other_parameter,
    _slower_rotation,
    _edited_in_double_precision,
]


@pytest.mark.parametrize("in_cells", [False, True])
@pytest.mark.parametrize("write", WRITES)
def test_any_write_to_a_weight_is_noticed_and_right_after_a_refresh(
    write: Callable[[Any], None], in_cells: bool
) -> None:
    model = fresh("llama")
    session = session_of(model)
    before = session.baseline.clone()
    session.interventions.toggle("L0H0")
    if in_cells:
        in_a_cell(lambda: write(model))
    else:
        write(model)
    with pytest.raises(InputError, match=r"weights were changed.*: [a-z_.0-9]+\.") as raised:
        effect(session)
    assert "session.refresh()" in raised.value.hint
    with pytest.raises(InputError, match="weights were changed"):
        _ = session.current
    session.refresh()
    session.interventions.clear()
    assert not torch.equal(session.baseline, before)
    is_right(session)


def test_what_a_cell_writes_between_two_calls_is_noticed() -> None:
    model = fresh("llama")
    CELL_PAUSE.begin()
    try:
        session = session_of(model)
        run = session.run([lw.Ablate("L0H0")])
        _row(model)
        with pytest.raises(InputError, match="weights were changed"):
            session.run([lw.Ablate("L0H1")])
        with pytest.raises(InputError, match="weights were changed"):
            run.activation("blocks.1.hook_resid_mid")
    finally:
        CELL_PAUSE.end()


def test_a_view_notices_what_the_cell_wrote_after_its_last_call() -> None:
    model = fresh("llama")
    CELL_PAUSE.begin()
    session = session_of(model)
    page = Page(session)
    _row(model)
    CELL_PAUSE.end()
    session.interventions.toggle("L0H0")
    assert "weights were changed" in told(page)


def test_weights_that_are_put_back_are_the_same() -> None:
    model = fresh("llama")
    session = session_of(model)
    weight = down_projection(model).weight.data
    row = weight[3].clone()
    weight[3] = 0
    with pytest.raises(InputError, match="weights were changed"):
        _ = session.baseline
    weight[3] = row
    is_right(session)


def test_weight_circuits_follow_weights_that_are_written_unseen() -> None:
    model = fresh("gpt2")
    before = lw.analysis.composition_scores(model, "K", baseline=False)
    weight = model.blocks[0].attn.o.original_component.weight.data
    weight[:8] *= torch.linspace(0.1, 2.0, D_MODEL)
    after = lw.analysis.composition_scores(model, "K", baseline=False)
    assert abs(after - before).max() > 1e-3


# --- no false alarm -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_a_user_runs_is_no_change(name: str) -> None:
    model = fresh(name)
    session = session_of(model)
    tokens = torch.arange(4, 34)[None]
    with torch.no_grad():
        model(tokens)
        model.run_with_cache(tokens)
        model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.hook_in", lambda x, hook: x)])
    loss = model(tokens, return_type="loss")
    loss.backward()
    model.zero_grad()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert session_of(model).baseline.tolist() == session.baseline.tolist()
    is_right(session)


@pytest.mark.parametrize("scaling", ["dynamic", "longrope"])
def test_a_rotary_embedding_that_adapts_to_each_prompt_is_no_change(scaling: str) -> None:
    options: dict[str, Any] = {"rope_type": scaling, "factor": 2.0, "rope_theta": 10_000.0}
    if scaling == "longrope":
        options |= {
            "short_factor": [1.0] * 4,
            "long_factor": [2.0] * 4,
            "original_max_position_embeddings": 8,
        }
    model = hugging_face(
        "LlamaConfig",
        word_tokenizer(),
        num_hidden_layers=2,
        num_attention_heads=4,
        hidden_size=D_MODEL,
        intermediate_size=48,
        max_position_embeddings=16,
        rope_parameters=options,
    )
    session = session_of(model)
    with torch.no_grad():
        model(torch.arange(4, 34)[None])
    is_right(session)
