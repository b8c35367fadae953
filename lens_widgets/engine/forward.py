"""One hooked forward: the only place where the model is called.

Hooks of ours exist on the model only inside ``forward``; TransformerLens removes them when it
returns or when a hook raises. Stopping is therefore done by raising from a hook, as a block
begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

HookFn = Callable[[Tensor, Any], "Tensor | None"]
Hook = tuple[str, HookFn]
Reduce = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Forward:
    """What one forward gave: logits [prompt, pos, d_vocab] and the captured activations by name."""

    logits: Float[Tensor, "prompt pos d_vocab"]
    captured: Mapping[str, Tensor]


def forward(
    model: Any,
    tokens: Int[Tensor, "prompt pos"],
    *,
    attention_mask: Int[Tensor, "prompt pos"] | None = None,
    hooks: Sequence[Hook] = (),
    capture: Mapping[str, Reduce | None] | Iterable[str] = (),
    check: Callable[[], None] | None = None,
) -> Forward:
    """Runs ``model`` once with ``hooks`` and keeps the named activations as the model used them.

    ``capture`` maps hook names to a function applied on the spot (None keeps all of it). ``check``
    is called as each block begins; what it raises ends the run and leaves no hook behind.
    """
    wanted = dict(capture) if isinstance(capture, Mapping) else dict.fromkeys(capture)
    captured: dict[str, Tensor] = {}

    def keeper(name: str, reduce: Reduce | None) -> HookFn:
        def keep(activation: Tensor, hook: Any) -> None:
            captured[name] = activation.detach() if reduce is None else reduce(activation.detach())

        return keep

    def stop_if_asked(activation: Tensor, hook: Any) -> None:
        if check is not None:
            check()

    checks: list[Hook] = []
    if check is not None:
        checks = [(f"blocks.{layer}.hook_in", stop_if_asked) for layer in range(model.cfg.n_layers)]
    # Captures come last: they see what the interventions made of the activation.
    all_hooks = [*checks, *hooks, *((name, keeper(name, fn)) for name, fn in wanted.items())]
    kwargs: dict[str, Any] = {} if attention_mask is None else {"attention_mask": attention_mask}
    with torch.no_grad():
        logits = model.run_with_hooks(
            tokens, fwd_hooks=all_hooks, return_type="logits", use_cache=False, **kwargs
        )
    return Forward(logits.detach(), captured)
