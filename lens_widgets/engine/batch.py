"""One batch of a sweep: variants join at the blocks they change and end in the logits read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lens_widgets.engine.forward import (
    Check,
    Hook,
    HookFn,
    answer_rows,
    hooks_at_home,
    unembed,
    unembed_tokens,
)
from lens_widgets.engine.fused import fused_activations
from lens_widgets.engine.inputs import InputsInRun, with_shares
from lens_widgets.engine.model import TransformerModel, call_there, home
from lens_widgets.engine.recompute import (
    BlockPositions,
    ComputedPositions,
    SparseBlock,
    computing_at,
)
from lens_widgets.engine.threads import SweepThreads
from lens_widgets.engine.variants import BaseRun, Reading, Variant

VOCABULARY_ROWS = 256
"""Rows of whole logits that are made at once."""


@dataclass(frozen=True)
class SweepSetup:
    """What all batches of a sweep share: the base run's parts, and how logits are read.

    ``final`` is the stream that leaves the last block of the base run, [prompt, pos, d_model].
    ``answers`` [prompt, n, d_model] are the unembedding's columns for the tokens that are read.
    ``last_read``, on the host, is where the last block's output is read; None for everywhere.
    """

    base: BaseRun
    reading: Reading
    blocks: list[SparseBlock]
    final: Float[Tensor, "prompt pos d_model"]
    logits: Float[Tensor, "prompt pos d_vocab"] | None
    answers: Float[Tensor, "prompt n d_model"] | None
    last_read: Bool[Tensor, "prompt pos"] | None


def set_up(
    model: TransformerModel,
    check: Check | None,
    *,
    base: BaseRun,
    reading: Reading,
    names: Sequence[str],
) -> SweepSetup:
    """Runs the base once more, keeping what its position-wise parts put out.

    ``names`` are the hook points that the sweep edits.
    """
    canonical = [model.hook_dict[name].name for name in dict.fromkeys(names)]
    blocks = [SparseBlock(block, canonical) for block in model.blocks]
    resid = base.calls[0].resid
    silenced = None if base.written is None else base.written.silenced
    hooks = hooks_at_home(model, with_shares(base.hooks, base.shares, silenced))
    with torch.no_grad(), model.hooks(fwd_hooks=hooks), ExitStack() as stack:
        for block in blocks:
            stack.enter_context(block.recording())
        for layer, call in enumerate(base.calls):
            if check is not None:
                check()
            output = model.blocks[layer](call.resid, *call.args, **call.kwargs)
            resid = output[0] if isinstance(output, tuple) else output
        every = reading.positions is None
        normed = call_there(model.ln_final, resid.to(home(model))) if every else None
    logits = None if normed is None else unembed(model, normed)
    answers = None if reading.tokens is None else answer_rows(model, reading.tokens)
    last_read = None if reading.positions is None else _only(reading.positions, base)
    return SweepSetup(base, reading, blocks, resid, logits, answers, last_read)


class _Rows:
    """The batch as it grows: groups of ``n_prompts`` rows, one group a variant."""

    def __init__(self, base: BaseRun, variants: Sequence[Variant]) -> None:
        self.base = base
        self.variants = variants
        self.joined: list[Variant] = []
        self.prompts = torch.arange(base.n_prompts, device=base.calls[0].resid.device)

    def prompt_of_row(self) -> Int[Tensor, "row"]:
        return self.prompts.repeat(len(self.joined))

    def slices(self) -> list[tuple[slice, Variant]]:
        n = self.base.n_prompts
        return [(slice(i * n, (i + 1) * n), variant) for i, variant in enumerate(self.joined)]

    def computed(self, layer: int, read: Bool[Tensor, "prompt pos"] | None) -> BlockPositions:
        """Where this layer differs from the base; of its outputs only those in ``read``."""
        before, after = [], []
        for variant in self.joined:
            own = variant.layer == layer
            reach = variant.reached
            read_anew = any(shares.of_all_heads(layer) for shares in variant.shares)
            # Queries, keys and values that are all made anew are not made here as well.
            before.append(
                torch.zeros_like(reach) if read_anew else variant.inputs if own else reach
            )
            outputs = variant.outputs if own else reach
            after.append(outputs if read is None else outputs & read)
        inputs, outputs = torch.cat(before), torch.cat(after)
        first = self._computed(inputs)
        # In most blocks all three are the same.
        if torch.equal(inputs, outputs):
            return BlockPositions(first, first, first)
        return BlockPositions(self._computed(inputs & outputs), first, self._computed(outputs))

    def _computed(self, mask: Bool[Tensor, "row pos"]) -> ComputedPositions:
        return ComputedPositions(mask, self.base.prefix_owner)


def run_batch(
    model: TransformerModel,
    check: Check | None,
    *,
    setup: SweepSetup,
    variants: Sequence[Variant],
    threads: SweepThreads,
) -> tuple[list[Tensor], float]:
    """What the reading gives for each variant, and the seconds of the slowest block.

    ``variants`` come in the order of their layers; ``threads`` are the sweep's.
    """
    base, positions = setup.base, setup.reading.positions
    rows = _Rows(base, variants)
    state = _inputs_of(base, variants)
    n_layers = len(base.calls)
    resid: Tensor | None = None
    slowest = 0.0
    hooks = _grouped(base, rows)
    if state is not None:
        every = [(one, v.layer) for v in variants for one in v.shares]
        given = [v.given for v in variants if v.given is not None]
        read = state.reading([*(one for one, _ in every), *given], logits=False)
        hooks = [*read, *hooks, *state.writing(every, *given)]
    with (
        torch.no_grad(),
        model.hooks(fwd_hooks=hooks_at_home(model, hooks)),
        fused_activations(model.blocks[variants[0].layer :]),
        threads.turn(rows.prompts.device) as times,
    ):
        for layer in range(variants[0].layer, n_layers + 1):
            if check is not None:
                check()
            started = time.perf_counter()
            joining = [v for v in variants if v.layer == layer]
            rows.joined += joining
            if state is not None:
                for variant in joining:
                    state.join(variant.shares, layer, variant.given)
            entering = setup.final if layer == n_layers else base.calls[layer].resid
            resid = torch.cat(([] if resid is None else [resid]) + [entering] * len(joining))
            if layer == n_layers:
                break
            call = base.calls[layer]
            computed = rows.computed(layer, setup.last_read if layer == n_layers - 1 else None)
            with setup.blocks[layer].computing(rows.prompt_of_row(), computed):
                output = model.blocks[layer](
                    resid,
                    *expanded(call.args, base, model, len(rows.joined)),
                    **expanded(call.kwargs, base, model, len(rows.joined)),
                )
            resid = output[0] if isinstance(output, tuple) else output
            slowest = max(slowest, time.perf_counter() - started)
            if times is not None:
                times.block(computed.output.n_computed)
        assert resid is not None
        resid = resid.to(home(model))
        if state is not None:
            resid = state.at_logits(resid)
        ending = resid if positions is None else _at(resid, positions, rows)
        normed = call_there(model.ln_final, ending)
    started = time.perf_counter()
    values = _read(model, check, setup, rows, normed)
    return values, max(slowest, time.perf_counter() - started)


def _inputs_of(base: BaseRun, variants: Sequence[Variant]) -> InputsInRun | None:
    """What replaces inputs in a batch; None where nothing does."""
    streams = [one.stream for v in variants for one in (*v.shares, v.given) if one]
    if not streams:
        return None
    silenced = None if base.written is None else base.written.silenced
    return InputsInRun(streams[0], silenced, base.written)


def _read(
    model: TransformerModel, check: Check | None, setup: SweepSetup, rows: _Rows, normed: Tensor
) -> list[Tensor]:
    function = setup.reading.function
    groups = rows.slices()
    if setup.answers is not None:
        answers = setup.answers.repeat(len(groups), 1, 1)
        tokens = setup.reading.tokens
        assert tokens is not None
        found = unembed_tokens(model, normed[:, 0], answers, tokens.repeat(len(groups), 1)).float()
        return [function(found[group]) for group, _ in groups]
    if setup.logits is None:
        logits = torch.cat(
            [unembed(model, part[:, 0]).float() for part in normed.split(VOCABULARY_ROWS)]
        )
        return [function(logits[group]) for group, _ in groups]
    values = []
    for group, variant in groups:
        # A metric of one's own may be the slowest part.
        if check is not None:
            check()
        computed = ComputedPositions(variant.reached, setup.base.prefix_owner)
        whole = computing_at(lambda x: unembed(model, x), setup.logits, rows.prompts, computed)
        values.append(function(whole(normed[group])))
    return values


def _at(resid: Tensor, positions: Tensor, rows: _Rows) -> Float[Tensor, "row 1 d_model"]:
    index = torch.arange(resid.shape[0], device=resid.device)
    return resid[index, positions.repeat(len(rows.joined))][:, None]


def _only(positions: Tensor, base: BaseRun) -> Bool[Tensor, "prompt pos"]:
    return torch.arange(base.n_pos, device="cpu")[None] == positions.cpu()[:, None]


def _grouped(base: BaseRun, rows: _Rows) -> list[Hook]:
    """The base's hooks applied to every group of rows, then each variant's to its own."""

    def own_group(name: str) -> HookFn:
        def edit(activation: Tensor, hook: Any) -> Tensor | None:
            slices = rows.slices()
            own = [(group, fn) for group, v in slices for named, fn in v.hooks if named == name]
            if not own:
                return None
            edited = activation.clone()
            for group, fn in own:
                changed = fn(edited[group], hook)
                if changed is not None:
                    edited[group] = changed
            return edited

        return edit

    names = dict.fromkeys(name for variant in rows.variants for name, _ in variant.hooks)
    every = [(name, each_group(fn, base.n_prompts)) for name, fn in base.hooks]
    return every + [(name, own_group(name)) for name in names]


def each_group(fn: HookFn, n_prompts: int) -> HookFn:
    """A hook that expects ``n_prompts`` rows, applied to every group of so many."""

    def edit(activation: Tensor, hook: Any) -> Tensor:
        edited = activation.clone()
        for start in range(0, len(edited), n_prompts):
            group = slice(start, start + n_prompts)
            changed = fn(edited[group], hook)
            if changed is not None:
                edited[group] = changed
        return edited

    return edit


def expanded(value: Any, base: BaseRun, model: TransformerModel, groups: int) -> Any:
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
        return tuple(expanded(item, base, model, groups) for item in value)
    if isinstance(value, list):
        return [expanded(item, base, model, groups) for item in value]
    if isinstance(value, dict):
        return {key: expanded(item, base, model, groups) for key, item in value.items()}
    return value
