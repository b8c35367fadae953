"""What the package needs of a model: the part of ``TransformerBridge`` that it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from operator import attrgetter
from typing import Any, Literal, Protocol, overload

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lens_widgets.errors import InputError


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


def home(model: TransformerModel) -> torch.device:
    """Where tokens enter a model. What is read off its runs is brought here, wherever its blocks
    are, so that no two of our tensors are ever on different devices.

    InputError for a model whose weights are nowhere.
    """
    device = next(iter(model.parameters())).device
    if device.type == "meta":
        raise InputError(
            "model: the first of its weights is on the meta device, which holds no numbers.",
            "Load the embedding onto a device: of a device_map only blocks may lie on disk.",
        )
    return device


def placed(part: Any) -> torch.device | None:
    """Where a part of a model computes; None where it has no weights in memory, and whoever loads
    them when it is called brings its input to the right place."""
    weights = part.parameters() if isinstance(part, nn.Module) else ()
    return next((torch.device(w.device) for w in weights if not w.is_meta), None)


def devices_of(model: TransformerModel) -> list[torch.device]:
    """The devices that a model computes on, in the order in which a forward reaches them."""
    ends = [getattr(model, name, None) for name in ("ln_final", "unembed")]
    found = [home(model), *map(placed, [*model.blocks, *ends])]
    return list(dict.fromkeys(device for device in found if device is not None))


def spread(model: TransformerModel) -> bool:
    """Whether parts of a model are on different devices."""
    return len(devices_of(model)) > 1


def call_there(part: Any, values: Tensor) -> Tensor:
    """What a part of a model makes of ``values``, computed where the part is and brought back."""
    device = placed(part)
    if device is None or device == values.device:
        made: Tensor = part(values)
        return made
    back: Tensor = part(values.to(device)).to(values.device)
    return back


@contextmanager
def on_its_device(model: TransformerModel) -> Iterator[None]:
    """Inside, tensors are made where tokens enter the model, and can take part in a backward pass:
    whatever default device or inference mode the caller has set."""
    with torch.inference_mode(False), torch.device(home(model)):
        yield


def weights_of(owner: Any, name: str) -> Tensor | None:
    """What TransformerLens lays out as ``owner.name`` (dots go deeper).

    None where a part has it not, or in another form: TransformerLens says so with errors of three
    kinds.
    """
    holder = getattr(owner, _HOLDERS[name], None) if name in _HOLDERS else owner
    try:
        with weights_present(holder):
            found = attrgetter(name)(owner)
    except (AttributeError, NotImplementedError, ValueError):
        return None
    return found.detach() if isinstance(found, Tensor) and not found.is_meta else None


_HOLDERS = {"W_E": "embed", "W_pos": "pos_embed", "W_U": "unembed", "b_U": "unembed"}
"""Of what a model lays out itself, the part that holds it."""


@contextmanager
def weights_present(part: Any) -> Iterator[None]:
    """Inside, the weights of a part that lie on disk, or wait on the host, can be read."""
    modules = part.modules() if isinstance(part, nn.Module) else ()
    away = [m for m in modules if any(w.is_meta for w in m.parameters(recurse=False))]
    with ExitStack() as stack:
        if away:
            from accelerate.utils import align_module_device

            for module in away:
                stack.enter_context(align_module_device(module))
        yield


def unembedding(model: TransformerModel) -> tuple[Tensor, Tensor | None]:
    """W_U [d_model, d_vocab] and b_U [d_vocab], on the device where they are used."""
    weight = weights_of(model, "W_U")
    if weight is None:
        raise InputError(
            "The unembedding of this model cannot be read: its numbers are stored in another form.",
            "Load the model with an unembedding in 16 or 32 bits.",
        )
    return weight, weights_of(model, "b_U")
