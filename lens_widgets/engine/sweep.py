"""Many variants of one run, each exact, for a fraction of a forward each.

A variant changes one activation of one block. It joins the batch at that block, computes only the
positions it can have changed, and at the end only the logits that are read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lens_widgets.engine.forward import BlockCall, Check, Hook, HookFn, unembed
from lens_widgets.engine.handle import ModelHandle
from lens_widgets.engine.memory import is_out_of_memory, row_budget
from lens_widgets.engine.sparse import Places, SparseBlock

BLOCK_SECONDS = 0.1
"""Chunks are sized so that a block takes about this long: a stop is noticed between blocks."""

FIRST_TOKENS = 512


@dataclass(frozen=True)
class Variant:
    """One change, in one block, to all prompts at once.

    ``hook`` edits an activation [prompt, ...]. The masks [prompt, pos], on the host, say where the
    block must be computed anew: ``inputs`` for what comes before attention mixes positions,
    ``outputs`` for what comes after; and ``changed``, where its output differs from the base.
    """

    layer: int
    hook: Hook
    inputs: Bool[Tensor, "prompt pos"]
    outputs: Bool[Tensor, "prompt pos"]
    changed: Bool[Tensor, "prompt pos"]


@dataclass(frozen=True)
class Base:
    """The run that variants start from: how each block was called, and the hooks in force."""

    calls: Sequence[BlockCall]
    hooks: Sequence[Hook]

    @property
    def n_prompts(self) -> int:
        return int(self.calls[0].resid.shape[0])

    @property
    def n_pos(self) -> int:
        return int(self.calls[0].resid.shape[1])


class TooLarge(RuntimeError):
    """One variant alone does not fit the memory."""

    def __init__(self, n_prompts: int, n_pos: int) -> None:
        self.message = (
            f"One variant of {n_prompts} prompts x {n_pos} tokens does not fit the memory."
        )
        self.hint = "Use fewer or shorter prompts, or free memory on the device."
        super().__init__(f"{self.message} {self.hint}")


def sweep(
    handle: ModelHandle,
    base: Base,
    variants: Sequence[Variant],
    read: Callable[[Tensor], Tensor],
    positions: Int[Tensor, "prompt"] | None,
    max_memory_gb: float | None = None,
) -> Iterator[list[tuple[int, Tensor]]]:
    """Runs every variant; yields (index, what ``read`` gave), chunk by chunk as they finish.

    ``read`` gets logits [prompt, d_vocab] at ``positions``, or [prompt, pos, d_vocab] when
    ``positions`` is None. Raises TooLarge when a single variant does not fit.
    """
    order = sorted(range(len(variants)), key=lambda i: variants[i].layer)
    blocks: list[SparseBlock] = []
    size = max(1, FIRST_TOKENS // (base.n_prompts * base.n_pos))
    while order:
        budget = row_budget(handle.model, base.n_pos, positions is None, max_memory_gb)
        size = min(size, max(1, budget // base.n_prompts))
        chunk = order[:size]
        chosen = [variants[i] for i in chunk]
        try:
            if not blocks:
                blocks = handle.slice(lambda model, check: _record(model, base, check))
            work = partial(
                _run_chunk,
                blocks=blocks,
                base=base,
                variants=chosen,
                read=read,
                positions=positions,
            )
            values, slowest_s = handle.slice(work)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise TooLarge(base.n_prompts, base.n_pos) from error
            size = max(1, size // 2)
            continue
        del order[: len(chunk)]
        if slowest_s < BLOCK_SECONDS / 2:
            size *= 2
        elif slowest_s > BLOCK_SECONDS * 2:
            size = max(1, size // 2)
        yield list(zip(chunk, values, strict=True))


def _record(model: Any, base: Base, check: Check | None) -> list[SparseBlock]:
    """The base run once more, keeping what its position-wise parts put out."""
    blocks = [SparseBlock(block) for block in model.blocks]
    with torch.no_grad(), model.hooks(fwd_hooks=list(base.hooks)), ExitStack() as stack:
        for block in blocks:
            stack.enter_context(block.recording())
        for layer, call in enumerate(base.calls):
            if check is not None:
                check()
            model.blocks[layer](call.resid, *call.args, **call.kwargs)
    return blocks


class _Rows:
    """The batch as it grows: groups of ``n_prompts`` rows, one group a variant."""

    def __init__(self, base: Base, variants: Sequence[Variant]) -> None:
        self.base = base
        self.variants = variants
        self.joined: list[Variant] = []
        device = base.calls[0].resid.device
        self.prompts = torch.arange(base.n_prompts, device=device)

    def prompt_of_row(self) -> Int[Tensor, "row"]:
        return self.prompts.repeat(len(self.joined))

    def slices(self) -> list[tuple[slice, Variant]]:
        n = self.base.n_prompts
        return [(slice(i * n, (i + 1) * n), variant) for i, variant in enumerate(self.joined)]

    def masks(self, layer: int) -> tuple[Tensor, Tensor]:
        """Where this layer differs from the base, before and after attention: [row, pos]."""
        before, after = [], []
        for variant in self.joined:
            if variant.layer == layer:
                before.append(variant.inputs)
                after.append(variant.outputs)
            else:
                # Whatever a position changed, every later position may attend to.
                reach = variant.changed.long().cummax(dim=1).values.bool()
                before.append(reach)
                after.append(reach)
        return torch.cat(before), torch.cat(after)


def _run_chunk(
    model: Any,
    check: Check | None,
    *,
    blocks: Sequence[SparseBlock],
    base: Base,
    variants: Sequence[Variant],
    read: Callable[[Tensor], Tensor],
    positions: Tensor | None,
) -> tuple[list[Tensor], float]:
    """What ``read`` gives for each variant, and the seconds of the slowest block."""
    rows = _Rows(base, variants)
    n_layers, device = len(base.calls), base.calls[0].resid.device
    resid: Tensor | None = None
    slowest = 0.0
    last_read = _only(positions, base) if positions is not None else None
    with torch.no_grad(), model.hooks(fwd_hooks=_grouped(base, rows)):
        for layer in range(min(v.layer for v in variants), n_layers):
            if check is not None:
                check()
            started = time.perf_counter()
            call = base.calls[layer]
            joining = [v for v in variants if v.layer == layer]
            rows.joined += joining
            parts = [call.resid] * len(joining) if resid is None else [resid]
            if resid is not None:
                parts += [call.resid] * len(joining)
            batch = torch.cat(parts)
            before, after = rows.masks(layer)
            if layer == n_layers - 1 and last_read is not None:
                after = after & last_read.repeat(len(rows.joined), 1)
            with blocks[layer].computing(
                rows.prompt_of_row(), Places(before, device), Places(after, device)
            ):
                output = model.blocks[layer](
                    batch,
                    *_expanded(call.args, base, model, len(rows.joined)),
                    **_expanded(call.kwargs, base, model, len(rows.joined)),
                )
            resid = output[0] if isinstance(output, tuple) else output
            slowest = max(slowest, time.perf_counter() - started)
        assert resid is not None
        values = []
        normed = model.ln_final(resid if positions is None else _at(resid, positions, rows))
    started = time.perf_counter()
    for group, _ in rows.slices():
        # A metric of one's own may be the slowest part.
        if check is not None:
            check()
        logits = unembed(model, normed[group])
        values.append(read(logits if positions is None else logits[:, 0].float()))
    slowest = max(slowest, time.perf_counter() - started)
    # Variants joined in the order of their layers, which is the order they came in.
    return values, slowest


def _at(resid: Tensor, positions: Tensor, rows: _Rows) -> Float[Tensor, "row 1 d_model"]:
    index = torch.arange(resid.shape[0], device=resid.device)
    return resid[index, positions.repeat(len(rows.joined))][:, None]


def _only(positions: Tensor, base: Base) -> Bool[Tensor, "prompt pos"]:
    return torch.arange(base.n_pos)[None] == positions.cpu()[:, None]


def _grouped(base: Base, rows: _Rows) -> list[Hook]:
    """The base's hooks applied to every group of rows, then each variant's to its own."""

    def each_group(fn: HookFn) -> HookFn:
        def edit(activation: Tensor, hook: Any) -> Tensor:
            edited = activation.clone()
            for group, _ in rows.slices():
                changed = fn(edited[group], hook)
                if changed is not None:
                    edited[group] = changed
            return edited

        return edit

    def own_group(name: str) -> HookFn:
        def edit(activation: Tensor, hook: Any) -> Tensor:
            edited = activation.clone()
            for group, variant in rows.slices():
                if variant.hook[0] == name:
                    changed = variant.hook[1](edited[group], hook)
                    if changed is not None:
                        edited[group] = changed
            return edited

        return edit

    names = dict.fromkeys(variant.hook[0] for variant in rows.variants)
    return [(n, each_group(fn)) for n, fn in base.hooks] + [(n, own_group(n)) for n in names]


def _expanded(value: Any, base: Base, model: Any, groups: int) -> Any:
    """Call arguments for ``groups`` times as many rows; what is broadcast stays as it is."""
    if isinstance(value, Tensor):
        n, shape = base.n_prompts, value.shape
        # BLOOM's alibi folds prompt and head into one dimension.
        batched = value.dim() >= 2 and (
            (n > 1 and shape[0] == n)
            or (value.dim() == 3 and shape[:2] == (n * model.cfg.n_heads, 1))
        )
        return value.repeat(groups, *[1] * (value.dim() - 1)) if batched else value
    if isinstance(value, tuple):
        return tuple(_expanded(item, base, model, groups) for item in value)
    if isinstance(value, list):
        return [_expanded(item, base, model, groups) for item in value]
    if isinstance(value, dict):
        return {key: _expanded(item, base, model, groups) for key, item in value.items()}
    return value
