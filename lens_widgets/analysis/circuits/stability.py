"""How sure the sign of a score is: bootstrap over prompts, which takes no further run."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lens_widgets.errors import InputError

_COLUMNS = 4096
"""Edges whose resamples are held at once."""


def edge_stability(scores: xr.DataArray, resamples: int = 1000, seed: int = 0) -> xr.DataArray:
    """How often a score has the same sign when the prompts are drawn anew.

    Prompts are drawn with replacement, as many as there are; an edge that lives on a few prompts
    changes its sign in many of the draws.

    Args:
        scores: of ``edge_scores`` with ``per_prompt=True``, or any array with a dim prompt.
        resamples: how many draws.
        seed: same seed, same draws.

    Returns:
        The dims of ``scores`` without prompt: the share of draws whose mean has the sign of the
        mean over all prompts, from 0 to 1 and near 0.5 for no effect. NaN where ``scores`` is NaN
        for all prompts, or 0 on average.

    Raises:
        InputError: an array without a dim prompt, or of one prompt alone.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993); of edges of circuits, as in
        Méloux et al., Mechanistic Interpretability as Statistical Estimation (2025).

    Examples:
        >>> each = lw.analysis.edge_scores(session, per_prompt=True)
        >>> stable = lw.analysis.edge_stability(each)
        >>> float(stable.sel(writer="L1H4", reader="logits"))
        1.0
    """
    if not isinstance(scores, xr.DataArray) or "prompt" not in scores.dims:
        raise InputError(
            "scores has no dim prompt, so that no prompts can be drawn anew.",
            "Pass edge_scores(session, per_prompt=True).",
        )
    n_prompts = scores.sizes["prompt"]
    if n_prompts < 2:
        raise InputError(
            "scores is of one prompt, of which every draw is the same.",
            "Use a session of several prompts.",
        )
    if not isinstance(resamples, int) or isinstance(resamples, bool) or resamples < 1:
        raise InputError(
            f"resamples={resamples!r} must be a whole number of at least 1.", "1000 is usual."
        )
    each = scores.transpose("prompt", ...)
    flat = each.values.reshape(n_prompts, -1).astype(np.float64)
    known = ~np.isnan(flat)
    values = np.where(known, flat, 0.0)
    drawn = np.random.default_rng(seed).multinomial(
        n_prompts, np.full(n_prompts, 1 / n_prompts), size=resamples
    )
    signs = np.sign(values.sum(axis=0))
    shares = np.full(flat.shape[1], np.nan)
    for start in range(0, flat.shape[1], _COLUMNS):
        part = slice(start, start + _COLUMNS)
        sums = drawn @ values[:, part]
        shares[part] = (sums * signs[part] > 0).mean(axis=0)
    shares[(signs == 0) | ~known.any(axis=0)] = np.nan
    found = each.isel(prompt=0, drop=True).copy(data=shares.reshape(each.shape[1:]))
    found.attrs = {
        "units": "share",
        "metric": scores.attrs.get("metric", ""),
        "definition": f"share of {resamples} draws of the prompts whose mean score has the sign of "
        "the mean over all",
    }
    return found
