"""Running the model: a whole forward that is recorded, and the resumption from any block of it.

The blocks of a model can be on several devices. Hooks are given activations on the device where
tokens enter it, and what is read off a run is handed out there: nothing else of ours has to know
where a block is.

Hooks of ours exist on the model only inside these functions; TransformerLens removes them when its
context ends or when a hook raises. Stopping is therefore done by raising from a hook, as a block
begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.fused import fused_activations
from lens_widgets.engine.model import (
    TransformerModel,
    call_there,
    home,
    spread,
    unembedding,
    weights_of,
)
from lens_widgets.engine.pooling import pooled, split_name
from lens_widgets.engine.transformer_lens_private import logits_transform

HookFn = Callable[[Tensor, Any], "Tensor | None"]
Hook = tuple[str, HookFn]
Check = Callable[[], None]


@dataclass(frozen=True)
class BlockCall:
    """How the model called one block: the residual entering it, and everything else.

    Some architectures carry several streams side by side: [prompt, pos, stream, d_model].
    """

    resid: Float[Tensor, "prompt pos *streams"]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class WholeForward:
    """One whole forward: logits, activations by name, and how each block was called."""

    logits: Float[Tensor, "prompt pos d_vocab"]
    captured: dict[str, Tensor]
    calls: list[BlockCall] = field(repr=False)


@dataclass(frozen=True)
class ResumedForward:
    """The end of a forward: the final norm's output, activations by name, and how each of its
    blocks was called."""

    normed: Float[Tensor, "prompt pos d_model"]
    captured: dict[str, Tensor]
    calls: list[BlockCall] = field(repr=False)


def forward(
    model: TransformerModel,
    tokens: Int[Tensor, "prompt pos"],
    *,
    attention_mask: Int[Tensor, "prompt pos"] | None = None,
    hooks: Sequence[Hook] = (),
    capture: Sequence[str] = (),
    check: Check | None = None,
    record: bool = False,
) -> WholeForward:
    """Runs ``model`` once with ``hooks`` and keeps the named activations as the model used them.

    ``check`` is called as each block begins; what it raises ends the run and leaves no hook behind.
    ``record`` also keeps how each block was called, which ``resume`` needs.
    """
    captured: dict[str, Tensor] = {}
    calls: list[BlockCall] = []
    all_hooks = [*stops(model, 0, check), *hooks, *_captures(capture, captured)]
    all_hooks = hooks_at_home(model, all_hooks)
    kwargs: dict[str, Any] = {} if attention_mask is None else {"attention_mask": attention_mask}
    with torch.no_grad(), _recording(model, calls if record else None):
        logits = model.run_with_hooks(
            tokens, fwd_hooks=all_hooks, return_type="logits", use_cache=False, **kwargs
        )
    return WholeForward(logits.detach().to(home(model)), captured, calls)


def resume(
    model: TransformerModel,
    calls: Sequence[BlockCall],
    start: int,
    *,
    hooks: Sequence[Hook] = (),
    capture: Sequence[str] = (),
    check: Check | None = None,
) -> ResumedForward:
    """Runs blocks ``start`` and later as recorded, with ``hooks``, and the final norm."""
    captured: dict[str, Tensor] = {}
    all_hooks = [*stops(model, start, check), *hooks, *_captures(capture, captured)]
    with (
        torch.no_grad(),
        model.hooks(fwd_hooks=hooks_at_home(model, all_hooks)),
        fused_activations(model.blocks[start:]),
    ):
        resid = calls[start].resid
        made: list[BlockCall] = []
        for layer in range(start, len(calls)):
            made.append(replace(calls[layer], resid=resid))
            resid = call_block(model.blocks[layer], resid, calls[layer])
        normed = call_there(model.ln_final, resid).to(home(model))
    return ResumedForward(normed, captured, made)


def read_blocks(
    model: TransformerModel,
    calls: Sequence[BlockCall],
    names: Sequence[str],
    *,
    hooks: Sequence[Hook] = (),
    check: Check | None = None,
) -> dict[str, Tensor]:
    """Activations inside blocks: runs only those, as recorded, and each no further than needed."""
    captured: dict[str, Tensor] = {}
    by_block: dict[int, list[str]] = {}
    for name in names:
        by_block.setdefault(int(name.split(".")[1]), []).append(name)
    for layer, wanted in by_block.items():
        if check is not None:
            check()
        own = [hook for hook in hooks if hook[0].startswith(f"blocks.{layer}.")]
        captures = _captures(wanted, captured, stop=True)
        every = hooks_at_home(model, [*own, *captures])
        with torch.no_grad(), suppress(_Enough), model.hooks(fwd_hooks=every):
            call_block(model.blocks[layer], calls[layer].resid, calls[layer])
    return captured


def call_block(block: Any, resid: Tensor, call: BlockCall) -> Tensor:
    """One block's output residual, called as the model called it."""
    output = block(resid, *call.args, **call.kwargs)
    return output[0] if isinstance(output, tuple) else output


def unembed(
    model: TransformerModel, normed: Float[Tensor, "*n d_model"], hooks: Sequence[Hook] = ()
) -> Float[Tensor, "*n d_vocab"]:
    """Logits of the final norm's output, with what the architecture does to them at the end."""
    with torch.no_grad(), model.hooks(fwd_hooks=hooks_at_home(model, hooks)):
        return transformed(model, call_there(model.unembed, normed))


def answer_rows(
    model: TransformerModel, tokens: Int[Tensor, "prompt n"]
) -> Float[Tensor, "prompt n d_model"]:
    """The unembedding's columns of some tokens."""
    weights, _ = unembedding(model)
    columns = weights[:, tokens.flatten().to(weights.device)].T.reshape(*tokens.shape, -1)
    return columns.to(tokens.device)


def unembed_tokens(
    model: TransformerModel,
    normed: Float[Tensor, "row d_model"],
    answers: Float[Tensor, "row n d_model"],
    tokens: Int[Tensor, "row n"],
) -> Float[Tensor, "row n"]:
    """Logits of a few tokens of each row, without the others; ``answers`` as in ``answer_rows``.

    Right where the end of the architecture treats logits one by one (see ``probe``).
    """
    with torch.no_grad():
        logits = (answers.float() @ normed.float()[:, :, None])[:, :, 0]
        bias = weights_of(model, "b_U")
        if bias is not None:
            logits = logits + bias[tokens.to(bias.device)].float().to(logits.device)
        # Rounded as the model's own logits are.
        return transformed(model, logits.to(normed.dtype))


def transformed(model: TransformerModel, logits: Tensor) -> Tensor:
    """Logits as the architecture hands them out."""
    transform = logits_transform(model)
    return logits if transform is None else transform(logits)


def stops(model: TransformerModel, start: int, check: Check | None) -> list[Hook]:
    """Hooks that call ``check`` as each block begins."""
    if check is None:
        return []

    def stop_if_asked(activation: Tensor, hook: Any) -> None:
        check()

    return [(f"blocks.{layer}.hook_in", stop_if_asked) for layer in range(start, len(model.blocks))]


def hooks_at_home(model: TransformerModel, hooks: Sequence[Hook]) -> list[Hook]:
    """The same hooks, each given the activation on the device where tokens enter the model."""
    if not spread(model):
        return list(hooks)
    here = home(model)

    def moved(fn: HookFn) -> HookFn:
        def edit(activation: Tensor, hook: Any) -> Tensor | None:
            made = fn(activation.to(here), hook)
            return None if made is None else made.to(activation.device)

        return edit

    return [(name, moved(fn)) for name, fn in hooks]


@contextmanager
def _recording(model: TransformerModel, calls: list[BlockCall] | None) -> Iterator[None]:
    if calls is None:
        yield
        return

    def before(_block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rest = dict(kwargs)
        resid, others = (args[0], args[1:]) if args else (rest.pop("hidden_states"), ())
        calls.append(BlockCall(resid.detach(), others, rest))

    handles = [block.register_forward_pre_hook(before, with_kwargs=True) for block in model.blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Enough(Exception):
    """Raised from a hook when everything asked for is there."""


def _captures(
    names: Sequence[str], captured: dict[str, Tensor], *, stop: bool = False
) -> list[Hook]:
    """Hooks that keep activations. They come last: they see what the interventions made of them.

    ``stop``: the last of them ends the run.
    """

    def keeper(name: str, pool: int) -> HookFn:
        def keep(activation: Tensor, hook: Any) -> None:
            whole = activation.detach()
            captured[name] = whole if pool == 1 else pooled(whole, pool)
            if stop and all(wanted in captured for wanted in names):
                raise _Enough

        return keep

    parts = [(name, *split_name(name)) for name in names]
    return [(point, keeper(name, pool)) for name, point, pool in parts]
