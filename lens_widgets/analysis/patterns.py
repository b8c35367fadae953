"""Attention patterns of the session's runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.errors import InputError, check_choice
from lens_widgets.run import Run
from lens_widgets.token_text import token_text

if TYPE_CHECKING:
    from lens_widgets.session import Session

Which = Literal["baseline", "current", "difference"]
WHICH = ("baseline", "current", "difference")


def attention_patterns(session: Session, which: Which = "current", prompt: int = 0) -> xr.DataArray:
    """Every head's pattern on one prompt; dims layer, head, query_pos, key_pos.

    Attention weights from 0 to 1; ``"difference"`` is current minus baseline.
    """
    check_choice("which", which, WHICH)
    n_prompts = session.prompt_set.n_prompts
    if not 0 <= prompt < n_prompts:
        raise InputError(
            f"prompt={prompt} is out of range; the session has {n_prompts} prompts.",
            f"Prompts run from 0 to {n_prompts - 1}.",
        )
    values = stacked_patterns(session, which, prompt)
    texts = token_texts(session, prompt)
    labels = [f"{text} {pos}" for pos, text in enumerate(texts)]
    return xr.DataArray(
        values.cpu().numpy(),
        dims=("layer", "head", "query_pos", "key_pos"),
        coords={
            "layer": range(values.shape[0]),
            "head": range(values.shape[1]),
            "query_pos": range(len(texts)),
            "key_pos": range(len(texts)),
            "query_token": ("query_pos", labels),
            "key_token": ("key_pos", labels),
        },
        attrs={
            "units": "attention weight",
            "metric": session.metric.name,
            "definition": f"{which} attention pattern, prompt {prompt}",
            "signed": which == "difference",
        },
    )


def stacked_patterns(
    session: Session, which: Which, prompt: int
) -> Float[Tensor, "layer head query key"]:
    """The same as a tensor on the model's device, float32."""
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(session.facts.n_layers)]
    return _difference(session, which, lambda run: torch.stack(_crop(session, run, names, prompt)))


def head_pattern(
    session: Session, which: Which, prompt: int, layer: int, head: int
) -> Float[Tensor, "query key"]:
    """One head's pattern on one prompt, float32."""
    name = f"blocks.{layer}.attn.hook_pattern"
    return _difference(session, which, lambda run: _crop(session, run, [name], prompt)[0][head])


def _difference(session: Session, which: Which, read: Callable[[Run], Tensor]) -> Tensor:
    clean = session.run(())
    if which == "baseline":
        return read(clean)
    current = read(session.run())
    return current - read(clean) if which == "difference" else current


def _crop(session: Session, run: Run, names: list[str], prompt: int) -> list[Tensor]:
    length = int(session.prompt_set.lengths[prompt])
    found = run.activations(names)
    return [found[name][prompt, :, :length, :length].float() for name in names]


def token_texts(session: Session, prompt: int) -> list[str]:
    """The tokens of one prompt as shown."""
    length = int(session.prompt_set.lengths[prompt])
    tokenizer = session.model.tokenizer
    return [token_text(tokenizer, token) for token in session.tokens[prompt, :length].tolist()]
