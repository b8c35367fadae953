"""Attention patterns of the session's runs: as they are, weighted by values, or as scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attention.attention_scores import attention_scores, score_reader
from lens_widgets.engine.parts import PATTERN, VALUE, check_layer, check_layers, layers_with
from lens_widgets.engine.pooling import finest_pool, pooled
from lens_widgets.errors import InputError, check_choice
from lens_widgets.prompts.token_text import token_text
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Which = Literal["baseline", "current", "difference"]
WHICH = ("baseline", "current", "difference")
Mode = Literal["pattern", "value", "scores"]
MODES = ("pattern", "value", "scores")
Average = Literal["none", "layer", "all"]
AVERAGES = ("none", "layer", "all")

Part = tuple[slice, slice]
"""Queries and keys of a pattern."""
WHOLE: Part = (slice(None), slice(None))

UNITS: dict[Mode, str] = {
    "pattern": "attention weight",
    "value": "attention weight x |value|",
    "scores": "score",
}
DEFINITIONS: dict[Mode, str] = {
    "pattern": "attention weight after the softmax",
    "value": "attention weight times the norm of the key token's value vector",
    "scores": "attention score before the softmax, masked entries absent",
}
_NAMES: dict[Mode, str] = {
    "pattern": "attention pattern",
    "value": "value-weighted attention",
    "scores": "attention scores before the softmax",
}
NEEDS: dict[Mode, tuple[str, ...]] = {
    "pattern": (PATTERN,),
    "value": (PATTERN, VALUE),
    "scores": (PATTERN,),
}
_OF_HEADS: dict[Average, str] = {
    "none": "",
    "layer": ", mean over the layer's heads",
    "all": ", mean over all heads",
}


def attention_patterns(
    session: Session,
    which: Which = "current",
    prompt: int = 0,
    *,
    mode: Mode = "pattern",
    average: Average = "none",
) -> xr.DataArray:
    """Every head's attention pattern on one prompt.

    Args:
        session: whose prompts and interventions.
        which: ``"current"``, under the interventions; ``"baseline"``, without them;
            ``"difference"``, current minus baseline.
        prompt: which prompt, from 0.
        mode: ``"pattern"``, the weights after the softmax; ``"value"``, each weight times the norm
            of the value vector that it carries; ``"scores"``, what the softmax is taken of.
        average: ``"none"``; over a ``"layer"``'s heads, which leaves out the dim head; over
            ``"all"`` heads, which leaves out layer as well.

    Returns:
        Dims layer, head, query_pos, key_pos. Weights are from 0 to 1 and each query's row sums to
        1; values are weights times norms; scores are unitless, NaN where masked. NaN in layers
        without attention. Token texts are the coordinates ``query_token`` and ``key_token``.

    Raises:
        InputError: a prompt out of range; a model without attention; scores of models that
            report only patterns and whose scores are not plainly query times key.

    Source:
        TransformerLens's ``cache["pattern", layer]``; value-weighted attention as in Kobayashi et
        al., Attention is Not Only a Weight (2020).

    Examples:
        >>> patterns = lw.analysis.attention_patterns(session, prompt=2)
        >>> int(patterns.sel(layer=1, head=4, query_pos=14).argmax("key_pos"))
        10
    """
    check_choice("which", which, WHICH)
    check_choice("mode", mode, MODES)
    check_choice("average", average, AVERAGES)
    n_prompts = session.prompt_set.n_prompts
    if not 0 <= prompt < n_prompts:
        raise InputError(
            f"prompt={prompt} is out of range; the session has {n_prompts} prompts.",
            f"Prompts run from 0 to {n_prompts - 1}.",
        )
    values = averaged(stacked_patterns(session, which, prompt, mode), average)
    texts = token_texts(session, prompt)
    labels = [f"{text} {pos}" for pos, text in enumerate(texts)]
    dims = ("layer", "head", "query_pos", "key_pos")[-values.dim() :]
    if average == "layer":
        dims = ("layer", "query_pos", "key_pos")
    return xr.DataArray(
        values.cpu().numpy(),
        dims=dims,
        coords={
            **{dim: range(size) for dim, size in zip(dims, values.shape, strict=True)},
            "query_token": ("query_pos", labels),
            "key_token": ("key_pos", labels),
        },
        attrs={
            "units": UNITS[mode],
            "metric": session.metric.name,
            "definition": described(which, prompt, mode, average),
            "signed": is_signed(which, mode),
            "mode": mode,
        },
    )


def described(which: Which, prompt: int, mode: Mode, average: Average) -> str:
    """What the numbers of a pattern are, in a few words."""
    return f"{which} {_NAMES[mode]}{_OF_HEADS[average]}, prompt {prompt}"


def is_signed(which: Which, mode: Mode) -> bool:
    """Whether values lie on both sides of zero."""
    return which == "difference" or mode == "scores"


def averaged(values: Float[Tensor, "*heads query key"], average: Average) -> Tensor:
    """The mean over heads, or over heads and layers; of the entries that are there."""
    if average == "layer":
        return values.nanmean(dim=-3)
    return values.flatten(0, -3).nanmean(dim=0) if average == "all" else values


def stacked_patterns(
    session: Session, which: Which, prompt: int, mode: Mode = "pattern"
) -> Float[Tensor, "layer head query key"]:
    """The same as a tensor on the model's device, float32; NaN in layers without attention."""
    session, prompt = session.around(prompt)
    layers = list(range(session.facts.n_layers))
    check_layers(session.facts, f"mode={mode!r}", *NEEDS[mode])
    return _difference(session, which, lambda run: _read(session, run, prompt, mode, layers))


def pooled_patterns(
    session: Session, which: Which, prompt: int, mode: Mode, cells: int
) -> tuple[Float[Tensor, "layer head query key"], int]:
    """Every head's pattern in at most ``cells`` numbers altogether, and positions to a block.

    Each number is the largest of its block: a thin diagonal stays visible. For differences and
    scores it is the one of largest magnitude.
    """
    session, prompt = session.around(prompt)
    facts, lengths = session.facts, session.prompt_set.lengths
    length = int(lengths[prompt])
    check_layers(facts, f"mode={mode!r}", *NEEDS[mode])
    pool = finest_pool(facts.n_layers * facts.n_heads, length, cells)
    layers = list(range(facts.n_layers))
    if pool == 1:
        return stacked_patterns(session, which, prompt, mode), 1
    everywhere = len(layers_with(facts, PATTERN)) == facts.n_layers
    alike = everywhere and bool((lengths == length).all())
    if mode == "pattern" and which != "difference" and alike:
        run = session.run(()) if which == "baseline" else session.run()
        found = run.pooled_patterns(layers, pool)
        return torch.stack([each[prompt].float() for each in found]), pool
    signed = is_signed(which, mode)
    layered = []
    for heads in _each_layer(session, which, prompt, mode):
        layered.append(torch.stack([pooled(values, pool, signed=signed) for values in heads]))
    return torch.stack(layered), pool


def _each_layer(
    session: Session, which: Which, prompt: int, mode: Mode
) -> Iterator[Iterator[Float[Tensor, "query key"]]]:
    """Layer by layer, and of each head by head: all patterns of a long prompt at once can be more
    than the memory there is, and a head's stays in the processor's cache."""
    present = layers_with(session.facts, *NEEDS[mode])
    length = int(session.prompt_set.lengths[prompt])
    nothing = torch.full((length, length), float("nan"), device=session.device)

    def heads(layer: int) -> Iterator[Float[Tensor, "query key"]]:
        if layer not in present:
            yield from [nothing] * session.facts.n_heads
            return
        read = _layer_reader(session, which, prompt, mode, layer)
        for head in range(session.facts.n_heads):
            yield read(head)

    for layer in range(session.facts.n_layers):
        yield heads(layer)


def _layer_reader(
    session: Session, which: Which, prompt: int, mode: Mode, layer: int
) -> Callable[[int], Float[Tensor, "query key"]]:
    """One layer's patterns of the runs that are asked for, head by head, float32."""
    if which == "baseline":
        return _head_reader(session, session.run(()), prompt, mode, layer)
    now = _head_reader(session, session.run(), prompt, mode, layer)
    if which == "current":
        return now
    before = _head_reader(session, session.run(()), prompt, mode, layer)
    return lambda head: now(head) - before(head)


def _head_reader(
    session: Session, run: Run, prompt: int, mode: Mode, layer: int
) -> Callable[[int], Float[Tensor, "query key"]]:
    """One layer's patterns on one prompt, head by head, float32."""
    if mode == "scores":
        return score_reader(session, run, prompt, layer)
    length = int(session.prompt_set.lengths[prompt])
    pattern = run.pattern(layer)[prompt, :, :length, :length]
    if mode == "pattern":
        return lambda head: pattern[head].float()
    norms = _value_norms(session, run, prompt, layer)
    return lambda head: pattern[head].float() * norms[head]


def _value_norms(session: Session, run: Run, prompt: int, layer: int) -> Float[Tensor, "head key"]:
    length = int(session.prompt_set.lengths[prompt])
    norms = run.activation(f"blocks.{layer}.attn.hook_v")[prompt, :length].float().norm(dim=-1).T
    # Under grouped-query attention several heads share one value.
    return norms.repeat_interleave(session.facts.n_heads // norms.shape[0], dim=0)


def head_pattern(
    session: Session,
    which: Which,
    prompt: int,
    layer: int,
    head: int,
    mode: Mode = "pattern",
    average: Average = "none",
    part: Part = WHOLE,
) -> Float[Tensor, "query key"]:
    """One head's pattern on one prompt, or the mean that it is part of, float32; of ``part`` of
    its cells the same numbers to the bit."""
    session, prompt = session.around(prompt)
    facts, length = session.facts, int(session.prompt_set.lengths[prompt])
    if average == "all":
        check_layers(facts, f"mode={mode!r}", *NEEDS[mode])
        return _mean(session, _each_layer(session, which, prompt, mode), length, part)
    check_layer(facts, layer, f"head='L{layer}H{head}'", *NEEDS[mode])
    read = _layer_reader(session, which, prompt, mode, layer)
    if average == "layer":
        return _mean(session, [(read(each) for each in range(facts.n_heads))], length, part)
    return read(head)[part]


def _mean(
    session: Session,
    layers: Iterable[Iterable[Float[Tensor, "query key"]]],
    length: int,
    part: Part,
) -> Float[Tensor, "query key"]:
    """Over all heads of the layers, of the cells that are there."""
    total, count = (torch.zeros(length, length, device=session.device)[part] for _ in range(2))
    for heads in layers:
        for values in heads:
            known = ~values[part].isnan()
            total += values[part].where(known, 0.0)
            count += known
    return total / count


def _difference(session: Session, which: Which, read: Callable[[Run], Tensor]) -> Tensor:
    clean = session.run(())
    if which == "baseline":
        return read(clean)
    current = read(session.run())
    return current - read(clean) if which == "difference" else current


def _read(session: Session, run: Run, prompt: int, mode: Mode, layers: list[int]) -> Tensor:
    facts, length = session.facts, int(session.prompt_set.lengths[prompt])
    present = layers_with(facts, *NEEDS[mode])
    shape = (len(layers), facts.n_heads, length, length)
    values = torch.full(shape, float("nan"), device=session.device)
    if some := [layer for layer in layers if layer in present]:
        values[[layers.index(layer) for layer in some]] = _read_all(
            session, run, prompt, mode, some
        )
    return values


def _read_all(session: Session, run: Run, prompt: int, mode: Mode, layers: list[int]) -> Tensor:
    if mode == "scores":
        return torch.stack([attention_scores(session, run, prompt, layer) for layer in layers])
    length = int(session.prompt_set.lengths[prompt])
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in layers]
    found = run.activations(names)
    patterns = torch.stack([found[name][prompt, :, :length, :length].float() for name in names])
    if mode == "pattern":
        return patterns
    norms = [_value_norms(session, run, prompt, layer) for layer in layers]
    return patterns * torch.stack(norms)[:, :, None, :]


def token_texts(session: Session, prompt: int) -> list[str]:
    """The tokens of one prompt as shown."""
    length = int(session.prompt_set.lengths[prompt])
    tokenizer = session.model.tokenizer
    return [token_text(tokenizer, token) for token in session.tokens[prompt, :length].tolist()]
