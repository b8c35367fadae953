"""Edges by plain hooks: TransformerLens's own copies of the stream for each reader are edited.

``hook_q_input``, ``hook_k_input``, ``hook_v_input`` and ``hook_mlp_in`` hold what one reader alone
reads; they are there when the model's flags say so, so that models of one's own are used. Nothing
of lens_widgets takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from tests.models import fresh

Edge = tuple[str, str]
Values = dict[str, Tensor]


@cache
def forked(name: str) -> Any:
    """The model of ``tests.models.tiny(name)`` once more, with an input for each reader."""
    return fork(fresh(name))


def fork(model: Any) -> Any:
    """Turns the inputs on."""
    model.set_use_split_qkv_input(True)
    model.set_use_hook_mlp_in(True)
    return model


def written(model: Any, found: Values, writer: str) -> Tensor:
    """What a writer wrote into the stream [prompt, pos, d_model] of a run."""
    if writer == "embed":
        return found["blocks.0.hook_in"]
    if writer.endswith(".mlp"):
        return found[f"blocks.{writer[1:-4]}.hook_mlp_out"]
    layer, head = (int(part) for part in writer[1:].split("H"))
    block = model.blocks[layer]
    out = found[f"blocks.{layer}.attn.hook_z"][:, :, head] @ block.attn.W_O[head]
    out = out * float(getattr(block.original_component, "residual_multiplier", 1.0))
    if f"blocks.{layer}.ln1_post.hook_scale" in found:
        weight = block.ln1_post.original_component.weight
        gain = weight + 1.0 if "Gemma" in type(block.original_component).__name__ else weight
        out = out * gain / found[f"blocks.{layer}.ln1_post.hook_scale"]
    return out


def run(
    model: Any,
    tokens: Tensor,
    cuts: Iterable[tuple[str, str, Values | None]] = (),
    hooks: Sequence[Any] = (),
) -> tuple[Tensor, Values]:
    """Logits [prompt, pos, d_vocab] and what writers wrote, of one forward in which shares are
    replaced by those of another run, or by nothing for None."""
    found: Values = {}
    by_reader: dict[str, list[tuple[str, Values | None]]] = {}
    for writer, reader, source in cuts:
        by_reader.setdefault(reader, []).append((writer, source))

    def keep(name: str) -> Any:
        def keep_fn(value: Tensor, hook: Any) -> None:
            found[name] = value.clone()

        return name, keep_fn

    def edit(reader: str, own: list[tuple[str, Values | None]]) -> Any:
        def edit_fn(value: Tensor, hook: Any) -> Tensor:
            value = value.clone()
            part = value[:, :, _head(reader)] if value.dim() == 4 else value
            for writer, source in own:
                part -= written(model, found, writer)
                if source is not None:
                    part += written(model, source, writer)
            return value

        return _input(model, reader), edit_fn

    names = [name for name in model.hook_dict if _is_written(name)]
    edits = [edit(reader, own) for reader, own in by_reader.items()]
    with torch.no_grad():
        logits = model.run_with_hooks(
            tokens, fwd_hooks=[*edits, *hooks, *map(keep, names)], use_cache=False
        )
    return logits, found


def _is_written(name: str) -> bool:
    ends = ("attn.hook_z", "hook_mlp_out", "ln1_post.hook_scale")
    return name == "blocks.0.hook_in" or (name.startswith("blocks.") and name.endswith(ends))


def _head(reader: str) -> int:
    return int(reader.split(".")[0].replace("KV", "H").split("H")[1])


def _input(model: Any, reader: str) -> str:
    if reader == "logits":
        return f"blocks.{model.cfg.n_layers - 1}.hook_out"
    layer, part = reader[1:].split(".")
    if part == "mlp":
        return f"blocks.{layer}.hook_mlp_in"
    layer = layer.replace("KV", "H").split("H")[0]
    return f"blocks.{layer}.attn.hook_{part}_input"
