"""Where the weights of a model are, and how they are stored, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lens_widgets.engine.model import TransformerModel, home, placed

_NAMES = {"bitsandbytes": "bitsandbytes", "torchao": "torchao", "quanto": "optimum-quanto"}


def places(model: TransformerModel) -> str:
    """The devices of a model's blocks and of what follows them; "" where all are at home."""
    parts: list[tuple[str, Any]] = [
        *((f"{layer}", block) for layer, block in enumerate(model.blocks)),
        ("final norm", getattr(model, "ln_final", None)),
        ("unembedding", getattr(model, "unembed", None)),
    ]
    found: dict[str, list[str]] = {}
    for name, part in parts:
        device = placed(part)
        if device is not None or _away(part):
            found.setdefault("disk" if device is None else str(device), []).append(name)
    if set(found) <= {str(home(model))}:
        return ""
    told = []
    for where, names in found.items():
        layers = [int(name) for name in names if name.isdigit()]
        others = [name for name in names if not name.isdigit()]
        own = [layers_in_words(layers), *others] if layers else others
        told.append(f"{', '.join(own)} on {where}")
    return "; ".join(told)


def on_disk(model: TransformerModel) -> tuple[int, ...]:
    """The layers whose weights are on disk, or wait on the host, until they run."""
    return tuple(layer for layer, block in enumerate(model.blocks) if _away(block))


def _away(part: Any) -> bool:
    return isinstance(part, nn.Module) and any(weight.is_meta for weight in part.parameters())


def layers_in_words(layers: Sequence[int]) -> str:
    """``"layer 3"``, ``"layers 0 to 5"``, or ``"layers 0, 2"``."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if layers and list(layers) == list(range(layers[0], layers[-1] + 1)):
        return f"layers {layers[0]} to {layers[-1]}"
    return f"layers {', '.join(map(str, layers))}"


def quantisation(model: TransformerModel) -> str:
    """How weights are stored that are no plain numbers, such as ``"bitsandbytes, 4 bits"``; "" for
    a model without such."""
    stored = (weight for weight in model.parameters() if not weight.is_meta)
    odd = next((weight for weight in stored if not is_plain(weight)), None)
    if odd is None:
        return ""
    from transformer_lens.utilities.quantization import quantization_method

    config = getattr(getattr(model, "original_model", None), "config", None)
    method = quantization_method(config)
    stated = getattr(config, "quantization_config", None)
    bits = next((n for n in (4, 8) if getattr(stated, f"load_in_{n}bit", False)), None)
    detail = f"{bits} bits" if bits else _detail(stated, odd)
    return f"{_NAMES.get(str(method), method or 'quantised')}, {detail}"


def _detail(stated: Any, odd: Tensor) -> str:
    """What a configuration says besides its method, else the class of such a weight."""
    weights = getattr(stated, "weights", None)
    return str(weights) if isinstance(weights, str) else type(odd).__name__


def is_plain(weight: Tensor) -> bool:
    """Whether a weight is there, in numbers that torch multiplies with as they are."""
    return (
        type(weight) in (Tensor, nn.Parameter)
        and type(weight.data) is Tensor
        and not weight.is_meta
        and weight.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    )


def passes_gradients(model: TransformerModel, dtype: torch.dtype) -> bool:
    """Whether quantised layers let gradients through. Some kernels, made for forwards alone, do
    not, and the slopes of the rest would pass for the model's own."""
    for module in model.blocks[0].modules():
        weight, n_in = getattr(module, "weight", None), getattr(module, "in_features", None)
        if not isinstance(weight, Tensor) or weight.is_meta or is_plain(weight) or n_in is None:
            continue
        try:
            with torch.enable_grad():
                given = torch.zeros(1, n_in, dtype=dtype, device=weight.device, requires_grad=True)
                if not module(given).requires_grad:
                    return False
        except RuntimeError:
            return False
    return True
