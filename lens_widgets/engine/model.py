"""What the package needs of a model: the part of ``TransformerBridge`` that it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from operator import attrgetter
from typing import Any, Literal, Protocol, overload

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ModelConfig(Protocol):
    """A model's shape, in TransformerLens's names."""

    @property
    def model_name(self) -> str: ...
    @property
    def n_layers(self) -> int: ...
    @property
    def n_heads(self) -> int: ...
    @property
    def n_ctx(self) -> int: ...
    @property
    def d_model(self) -> int: ...
    @property
    def d_head(self) -> int: ...
    @property
    def d_vocab(self) -> int: ...
    @property
    def n_key_value_heads(self) -> int | None: ...
    @property
    def act_fn(self) -> str | None: ...
    @property
    def normalization_type(self) -> str | None: ...
    @property
    def positional_embedding_type(self) -> str: ...
    @property
    def architecture(self) -> str | None: ...
    @property
    def layer_norm_folding(self) -> bool: ...


class Blocks(Protocol):
    """The layers in their order. What a block is made of depends on the architecture."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Blocks: ...


class TransformerModel(Protocol):
    """A TransformerLens model with hooks, in eval mode.

    Names, shapes and hook points are those of TransformerLens's documentation.
    """

    training: bool

    @property
    def cfg(self) -> ModelConfig:
        """Its shape."""

    @property
    def tokenizer(self) -> Any:
        """A Hugging Face tokenizer, or None."""

    @property
    def original_model(self) -> Any:
        """The Hugging Face model inside."""

    # --- its parts --------------------------------------------------------------------------

    @property
    def blocks(self) -> Blocks:
        """The layers; those of a bridge can be called one by one."""

    @property
    def ln_final(self) -> Callable[[Tensor], Tensor]:
        """The norm before the unembedding."""

    @property
    def unembed(self) -> Callable[[Tensor], Tensor]:
        """From the final norm's output to logits."""

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        """Token embeddings."""

    @property
    def W_pos(self) -> Float[Tensor, "n_ctx d_model"]:
        """Learned positional embeddings; raises where a model has none."""

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab"]:
        """The unembedding."""

    @property
    def b_U(self) -> Float[Tensor, "d_vocab"]:
        """What is added to the logits."""

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...
    def buffers(self) -> Iterator[Tensor]: ...
    def state_dict(self) -> Any: ...

    # --- running it -------------------------------------------------------------------------

    @property
    def hook_dict(self) -> Mapping[str, Any]:
        """Every hook point by name; several names can stand for one."""

    def __call__(self, input: Any, **options: Any) -> Any:
        """One forward; the logits [prompt, pos, d_vocab] unless ``return_type`` says otherwise."""

    def hooks(self, fwd_hooks: list[Any]) -> AbstractContextManager[Any]:
        """Puts hooks on the model for as long as the context lasts."""

    def run_with_hooks(self, input: Any, fwd_hooks: list[Any], **options: Any) -> Any:
        """One forward with hooks; the logits."""

    @overload
    def run_with_cache(self, input: Any, **options: Any) -> tuple[Any, Any]: ...
    @overload
    def run_with_cache(
        self, input: Any, return_cache_object: Literal[False], **options: Any
    ) -> tuple[Any, dict[str, Tensor]]: ...

    def to_tokens(
        self,
        input: Any,
        prepend_bos: bool | None = None,
        padding_side: str | None = None,
        *,
        truncate: bool = True,
    ) -> Tensor:
        """Token ids [prompt, pos] of text."""


@contextmanager
def on_its_device(model: TransformerModel) -> Iterator[None]:
    """Inside, tensors are made where the model is, and can take part in a backward pass: whatever
    default device or inference mode the caller has set."""
    device = next(iter(model.parameters())).device
    with torch.inference_mode(False), torch.device(device):
        yield


def weights_of(owner: Any, name: str) -> Tensor | None:
    """What TransformerLens lays out as ``owner.name`` (dots go deeper).

    None where a part has it not, or in another form: TransformerLens says so with errors of three
    kinds.
    """
    try:
        found = attrgetter(name)(owner)
    except (AttributeError, NotImplementedError, ValueError):
        return None
    return found.detach() if isinstance(found, Tensor) else None
