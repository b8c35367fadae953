"""How much of what a head writes a later head can read: composition scores of all pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.weights.head_weights import (
    head_weights,
    layer_weights,
    model_of,
    weighted_layers,
)
from lens_widgets.engine.access import access_for
from lens_widgets.engine.current import check_cancelled
from lens_widgets.engine.model import TransformerModel, home
from lens_widgets.engine.probe import weight_processing
from lens_widgets.errors import InputError, check_choice

Kind = Literal["Q", "K", "V"]
KINDS = ("Q", "K", "V")
SEEDS = 16
"""Random pairs that the baseline is the mean of."""

_kept: WeakKeyDictionary[Any, dict[tuple[Any, ...], Tensor]] = WeakKeyDictionary()

_READERS = {"Q": "W_Q W_Kᵀ", "K": "W_K W_Qᵀ", "V": "W_V W_O"}


def composition_scores(source: Any, kind: Kind = "K", baseline: bool = True) -> xr.DataArray:
    """How much of what each head reads is what each earlier head writes, by the weights alone.

    ‖W_A W_B‖ / (‖W_A‖ ‖W_B‖) in Frobenius norms, for every pair of heads of different layers. W_A
    is what the source head writes, W_V W_O; W_B what the destination reads: W_Q W_Kᵀ for Q-, its
    transpose for K-, W_V W_O for V-composition. Weights as they are in the model, norms left out.

    Args:
        source: a session or a model.
        kind: ``"K"``, ``"Q"`` or ``"V"``.
        baseline: subtract the mean score of random Gaussian matrices of the same shapes; its mean
            and spread are in ``attrs``.

    Returns:
        Dims src_layer, src_head, dst_layer, dst_head: a ratio of norms, above random with
        ``baseline``. NaN where the destination does not come later, and in layers without heads.

    Raises:
        InputError: what is neither session nor model; an unknown ``kind``; no layer with weights by
            heads.

    Source:
        Elhage et al., A Mathematical Framework for Transformer Circuits (2021); TransformerLens's
        ``all_composition_scores``.

    Examples:
        >>> lw.analysis.composition_scores(model, "K").dims
        ('src_layer', 'src_head', 'dst_layer', 'dst_head')
    """
    model = model_of(source)
    check_choice("kind", kind, KINDS)
    if not isinstance(baseline, bool):
        raise InputError(f"baseline={baseline!r} must be True or False.", "")
    n_layers, n_heads = model.cfg.n_layers, model.cfg.n_heads
    shape = (n_layers, n_heads, n_layers, n_heads)
    scores = torch.full(shape, float("nan"), device=home(model))
    for src, dst, block in composition_blocks(model, kind, range(1, n_layers)):
        scores[src, :, dst] = block
    mean, spread = random_baseline(model)
    units, definition = describe(kind, baseline)
    values = scores - mean if baseline else scores
    return xr.DataArray(
        values.cpu().numpy(),
        dims=("src_layer", "src_head", "dst_layer", "dst_head"),
        coords={
            "src_layer": range(n_layers),
            "src_head": range(n_heads),
            "dst_layer": range(n_layers),
            "dst_head": range(n_heads),
        },
        attrs={
            "units": units,
            "definition": definition,
            "kind": kind,
            "baseline": mean,
            "baseline_spread": spread,
            "baseline_seeds": SEEDS,
            "subtracted": baseline,
            "weights": weight_processing(model),
        },
    )


def composition_blocks(
    model: TransformerModel, kind: Kind, layers: Iterable[int]
) -> Iterator[tuple[int, int, Float[Tensor, "src_head dst_head"]]]:
    """Scores, nothing subtracted, as source layer, destination layer and block of heads, for the
    destinations ``layers``. Stops between blocks when it is cancelled. Kept until a weight changes.
    """
    access = access_for(model)
    access.look_anew()
    version = access.weights()
    kept = _kept.setdefault(model, {})
    for key in [key for key in kept if key[-1] != version]:
        kept.pop(key, None)

    weights = cache(partial(layer_weights, model))
    present = weighted_layers(model, f"kind={kind!r}", least=2)
    for dst in layers:
        for src in range(dst):
            if src not in present or dst not in present:
                continue
            key = (kind, src, dst, version)
            if key not in kept:
                check_cancelled()
                with torch.no_grad():
                    into, out = _reader(kind, weights(dst))
                    kept[key] = pair_scores(weights(src)["v"], weights(src)["o"], into, out)
            yield src, dst, kept[key]


def describe(kind: Kind, subtracted: bool) -> tuple[str, str]:
    """Units and definition of the scores."""
    units = "ratio of norms" + (" above random" if subtracted else "")
    return units, (
        f"{kind}-composition: ‖W_V W_O · {_READERS[kind]}‖ over the product of both norms"
        + (", minus that of random matrices" if subtracted else "")
    )


def random_baseline(model: TransformerModel) -> tuple[float, float]:
    """Mean and standard deviation of the scores of random heads of the model's shape."""
    first = weighted_layers(model, "composition", least=2)[0]
    d_model, d_head = head_weights(model, f"L{first}H0").v.shape
    random = random_scores(d_model, d_head)
    return float(random.mean()), float(random.std())


def composition_score(first: Float[Tensor, "a b"], second: Float[Tensor, "b c"]) -> float:
    """‖first second‖ / (‖first‖ ‖second‖) of two plain matrices, Frobenius norms."""
    product = torch.linalg.matrix_norm(first @ second)
    return float(product / (torch.linalg.matrix_norm(first) * torch.linalg.matrix_norm(second)))


def pair_scores(
    a: Float[Tensor, "src d_model d_head"],
    b: Float[Tensor, "src d_head d_model"],
    c: Float[Tensor, "dst d_model d_head"],
    d: Float[Tensor, "dst d_head d_model"],
) -> Float[Tensor, "src dst"]:
    """Scores of the products a b and c d for all pairs, never larger than d_head in the middle."""
    left = a.transpose(1, 2) @ a
    right = d @ d.transpose(1, 2)
    middle = torch.einsum("ihm,jmg->ijhg", b, c)
    # ‖a b c d‖² is the trace of (aᵀa)(b c)(d dᵀ)(b c)ᵀ.
    squared = torch.einsum("ijhg,ihk,ijkl,jlg->ij", middle, left, middle, right)
    norms_first = _product_norm(left, b)
    norms_second = _product_norm(c.transpose(1, 2) @ c, d)
    return squared.clamp(min=0).sqrt() / (norms_first[:, None] * norms_second[None])


def _product_norm(gram: Tensor, right: Tensor) -> Float[Tensor, "head"]:
    """‖a b‖ from aᵀa and b."""
    squared = torch.einsum("hij,hjm,him->h", gram, right, right)
    return squared.clamp(min=0).sqrt()


def _reader(kind: str, weights: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    if kind == "V":
        return weights["v"], weights["o"]
    if kind == "Q":
        return weights["q"], weights["k"].transpose(1, 2)
    return weights["k"], weights["q"].transpose(1, 2)


@cache
def random_scores(d_model: int, d_head: int) -> Float[Tensor, "seed"]:
    """Scores of random Gaussian pairs of these shapes, the same on every machine."""
    found = []
    for seed in range(SEEDS):
        numbers = torch.Generator().manual_seed(seed)

        def draw(*shape: int, numbers: torch.Generator = numbers) -> Tensor:
            return torch.randn(1, *shape, generator=numbers, device="cpu")

        wide, tall = (d_head, d_model), (d_model, d_head)
        found.append(pair_scores(draw(*tall), draw(*wide), draw(*tall), draw(*wide))[0, 0])
    return torch.stack(found)
